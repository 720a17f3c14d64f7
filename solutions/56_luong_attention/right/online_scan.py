"""One pass over the keys with a running maximum, as in problem 39; the weights are made from what the pass found."""

import jax
import jax.numpy as jnp
from flax import nnx


def passed(scores, seen):
    """Maximum and sum of the powers, over the first axis."""

    def step(carry, key):
        top, total = carry
        score, here = key
        higher = jnp.where(here, jnp.maximum(top, score), top)
        total = total * jnp.exp(top - higher) + jnp.where(here, jnp.exp(jnp.where(here, score, higher) - higher), 0.0)
        return (higher, total), None

    start = jnp.full(scores.shape[1:], -1e37), jnp.zeros(scores.shape[1:])
    (top, total), _ = jax.lax.scan(step, start, (scores, seen))
    return top, total


def weights_of(scores, seen):
    scores = scores.astype(jnp.float32)
    top, total = passed(jnp.moveaxis(scores, -1, 0), jnp.moveaxis(seen, -1, 0))
    powers = jnp.exp(jnp.where(seen, scores - top[..., None], 0.0))
    return jnp.where(seen, powers, 0.0) / jnp.where(total == 0, 1.0, total)[..., None]


class LuongAttention(nnx.Module):
    def __init__(self, d_query, d_key, score, *, rngs):
        match score:
            case "dot" if d_query == d_key:
                pass
            case "general":
                self.score_proj = nnx.Linear(d_key, d_query, use_bias=False, rngs=rngs)
            case "concat":
                self.score_proj = nnx.Linear(d_query + d_key, d_query, use_bias=False, rngs=rngs)
                self.score_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)
            case _:
                raise ValueError(f"{score} with widths {d_query} and {d_key}")
        self.score = score
        self.out_proj = nnx.Linear(d_key + d_query, d_query, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        rows = query[..., None, :]
        match self.score:
            case "dot":
                scores = jnp.vecdot(rows, keys)
            case "general":
                scores = jnp.vecdot(rows, self.score_proj(keys))
            case _:
                spread = jnp.repeat(rows, keys.shape[-2], axis=-2)
                scores = self.score_vector(jnp.tanh(self.score_proj(jnp.concatenate([spread, keys], axis=-1))))
                scores = scores.squeeze(-1)
        weights = weights_of(scores, jnp.ones_like(scores, bool) if mask is None else mask)
        context = (weights[..., None] * keys).sum(-2).astype(keys.dtype)
        return jnp.tanh(self.out_proj(jnp.append(context, query, axis=-1))), weights


class LocalAttention(nnx.Module):
    def __init__(self, d_query, half_width, *, rngs):
        self.position_proj = nnx.Linear(d_query, d_query, use_bias=False, rngs=rngs)
        self.position_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)
        self.half_width = half_width

    def __call__(self, query, keys, position=None):
        if position is None:
            told = self.position_vector(jnp.tanh(self.position_proj(query))).squeeze(-1)
            position = keys.shape[0] * jax.nn.sigmoid(jnp.float32(told))
        away = jnp.arange(keys.shape[0]) - position
        weights = weights_of(jnp.vecdot(query, keys), (away >= -self.half_width) & (away <= self.half_width))
        weights = weights * jnp.exp(-0.5 * jnp.square(away / (0.5 * self.half_width)))
        return (weights[:, None] * keys).sum(0).astype(keys.dtype), weights
