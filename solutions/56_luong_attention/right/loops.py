"""Python loops: one key after the other for the scores, one feature after the other for the sums."""

import jax
import jax.numpy as jnp
from flax import nnx


def softmax(scores, seen):
    """Of a list of scores, in float32, over those that are seen."""
    hidden = [jnp.where(s, score.astype(jnp.float32), -jnp.inf) for score, s in zip(scores, seen)]
    top = hidden[0]
    for score in hidden[1:]:
        top = jnp.maximum(top, score)
    top = jax.lax.stop_gradient(jnp.where(jnp.isfinite(top), top, 0.0))
    powers = [jnp.where(s, jnp.exp(jnp.where(s, score, 0.0) - top), 0.0) for score, s in zip(hidden, seen)]
    total = sum(powers[1:], powers[0])
    return [power / jnp.where(total > 0, total, 1.0) for power in powers]


class LuongAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, score: str, *, rngs: nnx.Rngs):
        if score == "dot":
            if d_query != d_key:
                raise ValueError("dot needs equal widths")
        elif score == "general":
            self.score_proj = nnx.Linear(d_key, d_query, use_bias=False, rngs=rngs)
        elif score == "concat":
            self.score_proj = nnx.Linear(d_query + d_key, d_query, use_bias=False, rngs=rngs)
            self.score_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)
        else:
            raise ValueError(f"unknown score {score}")
        self.out_proj = nnx.Linear(d_key + d_query, d_query, use_bias=False, rngs=rngs)
        self.kind = score

    def score_of(self, query, key):
        if self.kind == "concat":
            hidden = jnp.tanh(self.score_proj(jnp.concatenate([query, key], -1)))
            return self.score_vector(hidden)[..., 0]
        if self.kind == "general":
            key = self.score_proj(key)
        return sum(query[..., i] * key[..., i] for i in range(query.shape[-1]))

    def __call__(self, query, keys, mask=None):
        length = keys.shape[-2]
        seen = [jnp.ones(query.shape[:-1], bool) if mask is None else mask[..., t] for t in range(length)]
        weights = softmax([self.score_of(query, keys[..., t, :]) for t in range(length)], seen)
        context = sum(weights[t][..., None] * keys[..., t, :].astype(jnp.float32) for t in range(length))
        both = jnp.concatenate([context.astype(keys.dtype), query], -1)
        return jnp.tanh(self.out_proj(both)), jnp.stack(weights, -1)


class LocalAttention(nnx.Module):
    def __init__(self, d_query: int, half_width: int, *, rngs: nnx.Rngs):
        self.position_proj = nnx.Linear(d_query, d_query, use_bias=False, rngs=rngs)
        self.position_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)
        self.D = half_width

    def __call__(self, query, keys, position=None):
        if position is None:
            position = self.position_vector(jnp.tanh(self.position_proj(query)))[0].astype(jnp.float32)
            position = len(keys) / (1 + jnp.exp(-position))
        near = [(position - self.D <= s) & (s <= position + self.D) for s in range(len(keys))]
        weights = softmax([(query * key).sum() for key in keys], near)
        weights = [w * jnp.exp(-((s - position) ** 2) / (2 * (self.D / 2) ** 2)) for s, w in enumerate(weights)]
        context = sum(w * key.astype(jnp.float32) for w, key in zip(weights, keys))
        return context.astype(keys.dtype), jnp.stack(weights)
