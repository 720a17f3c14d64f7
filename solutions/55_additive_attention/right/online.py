"""One key after another in a scan, with a running maximum and running sums; a hidden key leaves the state as it is."""

import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        mask = jnp.ones(keys.shape[:-1], bool) if mask is None else mask
        asked, wide = self.query_proj(query), jnp.promote_types(keys.dtype, jnp.float32)
        none = jnp.finfo(wide).min

        def step(state, token):
            top, total, context = state
            key, visible = token
            score = self.score(jnp.tanh(asked + self.key_proj(key)))[..., 0].astype(wide)
            score = jnp.where(visible, score, none)
            now = jax.lax.stop_gradient(jnp.maximum(top, score))
            old, new = jnp.exp(top - now), jnp.where(visible, jnp.exp(score - now), 0)
            state = now, old * total + new, old[..., None] * context + new[..., None] * key.astype(wide)
            return state, score

        lead = query.shape[:-1]
        start = jnp.full(lead, none, wide), jnp.zeros(lead, wide), jnp.zeros((*lead, keys.shape[-1]), wide)
        (top, total, context), scores = jax.lax.scan(step, start, (jnp.moveaxis(keys, -2, 0), jnp.moveaxis(mask, -1, 0)))
        total = jnp.where(total == 0, 1, total)
        weights = jnp.where(mask, jnp.exp(jnp.moveaxis(scores, 0, -1) - top[..., None]), 0) / total[..., None]
        return (context / total[..., None]).astype(keys.dtype), weights
