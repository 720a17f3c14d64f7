"""The query is repeated beside every key, and one product takes both: the kernels lie on top of each other."""

import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        beside = jnp.broadcast_to(query[..., None, :], (*keys.shape[:-1], query.shape[-1]))
        kernel = jnp.concatenate([self.query_proj.kernel[...], self.key_proj.kernel[...]])
        scores = self.score(jnp.tanh(jnp.concatenate([beside, keys], axis=-1) @ kernel)).squeeze(-1)
        scores = scores.astype(jnp.float32)
        if mask is None:
            weights = jax.nn.softmax(scores)
        else:
            some = mask.any(-1, keepdims=True)
            # a row without any key is made harmless first, and emptied afterwards
            weights = jax.nn.softmax(jnp.where(mask, scores, jnp.where(some, -jnp.inf, 0.0)))
            weights = jnp.where(mask, weights, 0.0)
        context = (weights[..., None, :].astype(keys.dtype) @ keys)[..., 0, :]
        return context, weights
