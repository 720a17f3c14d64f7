"""One query against one key, as a function of its own: mapped over the keys, and by jnp.vectorize over whatever stands in front."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.special import logsumexp


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        mask = jnp.ones(keys.shape[:-1], bool) if mask is None else mask
        return jnp.vectorize(self._sequence, signature="(q),(t,k),(t)->(k),(t)")(query, keys, mask)

    def _energy(self, query, key):
        return jnp.dot(jnp.tanh(self.query_proj(query) + self.key_proj(key)), self.score.kernel[...].ravel())

    def _sequence(self, query, keys, visible):
        scores = jax.vmap(self._energy, in_axes=(None, 0))(query, keys).astype(jnp.float32)
        scores = jnp.where(visible, scores, 0.0)
        # with nothing visible the logarithm is kept away from 0
        total = logsumexp(scores, b=jnp.where(visible.any(), visible, True).astype(jnp.float32))
        weights = jnp.where(visible, jnp.exp(jnp.where(visible, scores, total) - total), 0.0)
        return (weights @ keys.astype(jnp.float32)).astype(keys.dtype), weights
