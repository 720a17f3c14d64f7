"""A scan over the hidden units adds up the scores, so that nothing of T times d_attention exists; einops for the axes."""

import einops
import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        def add(scores, unit):
            of_query, of_keys, weight = unit
            asked = einops.einsum(query, of_query, "... q, q -> ...")
            offered = einops.einsum(keys, of_keys, "... t k, k -> ... t")
            return scores + weight * jnp.tanh(einops.rearrange(asked, "... -> ... 1") + offered), None

        units = self.query_proj.kernel[...].T, self.key_proj.kernel[...].T, self.score.kernel[:, 0]
        scores, _ = jax.lax.scan(add, jnp.zeros(keys.shape[:-1], keys.dtype), units)
        scores = scores.astype(jnp.promote_types(keys.dtype, "float32"))
        if mask is None:
            weights = jax.nn.softmax(scores, axis=-1)
        else:
            weights = nnx.softmax(scores, axis=-1, where=mask)
        return einops.einsum(weights.astype(keys.dtype), keys, "... t, ... t k -> ... k"), weights
