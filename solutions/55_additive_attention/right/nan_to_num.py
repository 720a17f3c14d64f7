"""-inf for the hidden scores, and the NaN of a row without any key made zeros, before the weights meet the keys."""

import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        energy = self.score(jnp.tanh(self.query_proj(query)[..., None, :] + self.key_proj(keys))).squeeze(-1)
        energy = energy.astype(jnp.float32)
        if mask is not None:
            energy = jnp.where(mask, energy, -jnp.inf)
        weights = jnp.nan_to_num(jax.nn.softmax(energy, axis=-1))
        return (weights[..., None] * keys).sum(axis=-2).astype(keys.dtype), weights
