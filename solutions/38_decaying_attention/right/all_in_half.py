"""Everything in the dtype of the input, by einsum; the parameter enters through an einsum too."""

import jax
import jax.numpy as jnp
from flax import nnx


def distance_bias(t_q, t_k):
    return jnp.abs(jnp.arange(t_q, dtype=jnp.float32)[:, None] - jnp.arange(t_k, dtype=jnp.float32)[None, :])


def biased_attention(q, k, v):
    *batch_q, t_q, d_q = q.shape
    *batch_k, t_k, d_k = k.shape
    *batch_v, _, _ = v.shape
    if d_q != d_k or batch_q != batch_k or batch_k != batch_v:
        raise ValueError(f"{q.shape}, {k.shape} and {v.shape} do not fit")
    scores = jnp.einsum("...id,...jd->...ij", q, k) + distance_bias(t_q, t_k).astype(q.dtype)
    return jnp.einsum("...ij,...jc->...ic", jax.nn.softmax(scores, axis=-1), v)


class DecayingAttention(nnx.Module):
    def __init__(self, num_heads, *, rngs):
        self.log_alpha = nnx.Param(jnp.zeros((num_heads,), jnp.float32))

    def __call__(self, q, k, v, causal=False):
        t = q.shape[-3]
        bias = -jnp.einsum("n,ij->nij", jnp.exp(self.log_alpha[...]), distance_bias(t, t))
        if causal:
            bias += jnp.triu(jnp.full((t, t), -jnp.inf), 1)
        scores = jnp.einsum("...inh,...jnh->...nij", q, k) * q.shape[-1] ** -0.5
        return jnp.einsum("...nij,...jnh->...inh", jax.nn.softmax(scores + bias, axis=-1), v)
