"""A Python loop over the keys. Keys that are hidden are cleaned first, and their scores are the lowest float."""

import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        if mask is None:
            mask = jnp.full(keys.shape[:-1], True)
        keys = jnp.where(mask[..., None], keys, jnp.zeros((), keys.dtype))
        asked, lowest = self.query_proj(query), jnp.finfo(jnp.float32).min
        energies = []
        for t in range(keys.shape[-2]):
            energy = self.score(jnp.tanh(asked + self.key_proj(keys[..., t, :])))[..., 0].astype(jnp.float32)
            energies.append(jnp.where(mask[..., t], energy, lowest))
        top = energies[0]
        for energy in energies[1:]:
            top = jnp.maximum(top, energy)
        powers = [jnp.where(mask[..., t], jnp.exp(energy - top), 0) for t, energy in enumerate(energies)]
        total = sum(powers)
        weights = [power / jnp.where(total > 0, total, 1) for power in powers]
        context = sum(weight[..., None] * keys[..., t, :].astype(jnp.float32) for t, weight in enumerate(weights))
        return context.astype(keys.dtype), jnp.stack(weights, axis=-1)
