"""Weights of a row with nothing to attend to are NaN, and mended before they meet a key. Local: a compiled helper."""

import jax
import jax.numpy as jnp
from flax import nnx


class LuongAttention(nnx.Module):
    def __init__(self, d_query, d_key, score, *, rngs):
        if score not in ("dot", "general", "concat"):
            raise ValueError("score")
        if score == "dot" and d_query != d_key:
            raise ValueError("widths")
        self.score = score
        if score == "general":
            self.score_proj = nnx.Linear(d_key, d_query, use_bias=False, rngs=rngs)
        if score == "concat":
            self.score_proj = nnx.Linear(d_query + d_key, d_query, use_bias=False, rngs=rngs)
            self.score_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)
        self.out_proj = nnx.Linear(d_key + d_query, d_query, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        T = keys.shape[-2]
        if self.score == "dot":
            scores = (query[..., None, :] * keys).sum(-1)
        elif self.score == "general":
            scores = (query[..., None, :] * self.score_proj(keys)).sum(-1)
        else:
            beside = jnp.repeat(query[..., None, :], T, axis=-2)
            both = jnp.concatenate([beside, keys], axis=-1)
            scores = self.score_vector(jnp.tanh(self.score_proj(both)))[..., 0]
        scores = scores.astype(jnp.float32)
        if mask is None:
            weights = jax.nn.softmax(scores)
        else:
            scores = jnp.where(mask, scores, -jnp.inf)
            powers = jnp.exp(scores - scores.max(-1, keepdims=True))
            weights = powers / powers.sum(-1, keepdims=True)
            weights = jnp.where(mask.any(-1, keepdims=True), weights, 0.0)
        context = jnp.einsum("...t,...td->...d", weights, keys).astype(keys.dtype)
        output = jnp.tanh(self.out_proj(jnp.concatenate([context, query], axis=-1)))
        return output, weights


@jax.jit
def shares(scores, near, away, D):
    powers = jnp.where(near, jnp.exp(scores - jnp.max(scores, where=near, initial=-jnp.inf)), 0.0)
    return powers / powers.sum() * jnp.exp(-(away**2) / (2 * (D / 2) ** 2))


class LocalAttention(nnx.Module):
    def __init__(self, d_query, half_width, *, rngs):
        self.half_width = half_width
        self.position_proj = nnx.Linear(d_query, d_query, use_bias=False, rngs=rngs)
        self.position_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, position=None):
        T, D = len(keys), self.half_width
        if position is None:
            said = self.position_vector(jnp.tanh(self.position_proj(query)))[0]
            position = T * jax.nn.sigmoid(said.astype(jnp.float32))
        away = jnp.arange(T) - position
        scores = (keys @ query).astype(jnp.float32)
        near = jnp.abs(away) <= D
        gaussian = jnp.exp(-2 * (away / D) ** 2)
        scores = jnp.where(near, scores, 0)
        weights = shares(scores, near, away, D)
        context = (weights @ keys).astype(keys.dtype)
        return context, weights
