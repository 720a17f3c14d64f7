"""The library's own attention, which takes a bias and a scale. It wants one batch axis, a head axis and values as wide as the keys; and
float16 runs compiled on a GPU only."""

import jax
import jax.numpy as jnp
from flax import nnx


def distance_bias(t_q, t_k):
    return abs(jnp.arange(t_q)[:, None] - jnp.arange(t_k)).astype("float32")


def biased_attention(q, k, v):
    if q.shape[-1] != k.shape[-1] or len({q.shape[:-2], k.shape[:-2], v.shape[:-2]}) > 1:
        raise ValueError("the shapes do not fit")
    if q.dtype == jnp.float16:
        return biased_attention(*(a.astype(jnp.float32) for a in (q, k, v))).astype(q.dtype)
    width, columns = q.shape[-1], v.shape[-1]
    bias = distance_bias(q.shape[-2], k.shape[-2]).astype(q.dtype)

    def widened(array):
        """With features of zeros, which change no score, or columns of zeros, which are cut off again, and with an axis for one head."""
        missing = max(width, columns) - array.shape[-1]
        return jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)])[..., None, :]

    return jax.nn.dot_product_attention(widened(q), widened(k), widened(v), bias=bias[None, None], scale=1.0)[..., 0, :columns]


class DecayingAttention(nnx.Module):
    def __init__(self, num_heads, *, rngs):
        self.log_alpha = nnx.Param(nnx.initializers.zeros(rngs.params(), (num_heads,)))

    def __call__(self, q, k, v, causal=False):
        flat = [a.reshape(-1, *a.shape[-3:]) for a in (q, k, v)]
        bias = jnp.multiply.outer(-jnp.exp(self.log_alpha[...]), distance_bias(q.shape[-3], q.shape[-3]))
        return jax.nn.dot_product_attention(*flat, bias=bias[None], is_causal=causal).reshape(q.shape)
