"""Half precision is lifted to float32 by the bias itself and cast back once; heads are moved to the front."""

import math

import jax
import jax.numpy as jnp
from flax import nnx


def distance_bias(t_q: int, t_k: int):
    rows, columns = jnp.indices((t_q, t_k), dtype=jnp.float32)
    return jnp.abs(rows - columns)


def biased_attention(q, k, v):
    if q.shape[-1] != k.shape[-1]:
        raise ValueError("q and k must have the same width")
    if q.ndim == 3 and not q.shape[0] == k.shape[0] == v.shape[0]:
        raise ValueError("q, k and v must have the same batch size")
    scores = q @ k.mT + distance_bias(q.shape[-2], k.shape[-2])
    return (jax.nn.softmax(scores) @ v).astype(q.dtype)


class DecayingAttention(nnx.Module):
    def __init__(self, num_heads: int, *, rngs: nnx.Rngs):
        self.log_alpha = nnx.Param(jnp.zeros(num_heads))

    def __call__(self, q, k, v, causal=False):
        q, k, v = (jnp.moveaxis(a, -2, -3) for a in (q, k, v))
        length = q.shape[-2]
        decay = jnp.exp(self.log_alpha[:, None, None]) * distance_bias(length, length)
        scores = q @ k.mT / math.sqrt(q.shape[-1]) - decay
        if causal:
            scores = jnp.where(jnp.tri(length, dtype=bool), scores, -1e30)
        return jnp.moveaxis(jax.nn.softmax(scores) @ v, -3, -2)
