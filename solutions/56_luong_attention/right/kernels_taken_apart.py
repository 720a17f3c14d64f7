"""What a score needs of the query alone is computed once: the kernels are taken apart, and the layers are not called."""

import jax.numpy as jnp
from flax import nnx
from jax.scipy.special import expit, logsumexp


def linear(d_in, d_out, rngs):
    return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)


def shares(scores, seen):
    """exp(score - log of the sum), where the sum has the keys that are seen."""
    scores = scores.astype(jnp.float32)
    low = jnp.where(seen, scores, -1e38)
    total = logsumexp(low, axis=-1, keepdims=True)
    return jnp.where(seen, jnp.exp(low - total), 0.0)


class LuongAttention(nnx.Module):
    def __init__(self, d_query, d_key, score, *, rngs):
        if score not in {"dot", "general", "concat"} or (score == "dot" and d_key != d_query):
            raise ValueError(score)
        self.score, self.d_query, self.d_key = score, d_query, d_key
        if score != "dot":
            self.score_proj = linear(d_key + (d_query if score == "concat" else 0), d_query, rngs)
        if score == "concat":
            self.score_vector = linear(d_query, 1, rngs)
        self.out_proj = linear(d_key + d_query, d_query, rngs)

    def __call__(self, query, keys, mask=None):
        if self.score == "concat":
            kernel = self.score_proj.kernel[...]
            ours, theirs = query @ kernel[: self.d_query], keys @ kernel[self.d_query :]
            scores = jnp.tanh(ours[..., None, :] + theirs) @ self.score_vector.kernel[...][:, 0]
        else:
            # q · (k W) = (q Wᵀ) · k
            asked = query @ self.score_proj.kernel[...].T if self.score == "general" else query
            scores = (keys @ asked[..., None])[..., 0]
        seen = jnp.ones(scores.shape, bool) if mask is None else mask
        weights = shares(scores, seen)
        context = (weights[..., None, :] @ keys.astype(weights.dtype))[..., 0, :].astype(keys.dtype)
        of_context, of_query = jnp.split(self.out_proj.kernel[...], [self.d_key])
        return jnp.tanh(context @ of_context + query @ of_query), weights


class LocalAttention(nnx.Module):
    def __init__(self, d_query, half_width, *, rngs):
        self.half_width = half_width
        self.position_proj, self.position_vector = linear(d_query, d_query, rngs), linear(d_query, 1, rngs)

    def __call__(self, query, keys, position=None):
        length = keys.shape[0]
        if position is None:
            hidden = jnp.tanh(query @ self.position_proj.kernel[...])
            position = expit((hidden @ self.position_vector.kernel[...][:, 0]).astype(jnp.float32)) * length
        offset = jnp.linspace(0.0, length - 1.0, length) - position
        ratio = offset / self.half_width
        weights = shares(jnp.einsum("d,sd->s", query, keys), ratio**2 <= 1) * jnp.exp(-2 * ratio**2)
        return jnp.einsum("s,sd->d", weights, keys.astype(weights.dtype)).astype(keys.dtype), weights
