"""The window is cut out of the padded sentence, so that no more than 2D + 1 keys are scored, and its weights are put back
into a sentence of zeros. The other module has a maker for each score, and einops for its axes."""

import einops
import jax
import jax.numpy as jnp
from flax import nnx


def product(query, keys):
    return einops.einsum(query, keys, "... d, ... t d -> ... t")


def make(score):
    return {"dot": dot, "general": general, "concat": concat}.get(score, unknown)


def dot(module, d_query, d_key, rngs):
    if d_query != d_key:
        raise ValueError(f"dot: {d_query} != {d_key}")


def general(module, d_query, d_key, rngs):
    module.score_proj = nnx.Linear(d_key, d_query, use_bias=False, rngs=rngs)


def concat(module, d_query, d_key, rngs):
    module.score_proj = nnx.Linear(d_query + d_key, d_query, use_bias=False, rngs=rngs)
    module.score_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)


def unknown(module, d_query, d_key, rngs):
    raise ValueError("no such score")


class LuongAttention(nnx.Module):
    def __init__(self, d_query, d_key, score, *, rngs):
        make(score)(self, d_query, d_key, rngs)
        self.out_proj = nnx.Linear(d_key + d_query, d_query, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        if hasattr(self, "score_vector"):
            length = keys.shape[-2]
            both = jnp.concatenate([einops.repeat(query, "... d -> ... t d", t=length), keys], -1)
            scores = einops.rearrange(self.score_vector(jnp.tanh(self.score_proj(both))), "... t 1 -> ... t")
        elif hasattr(self, "score_proj"):
            scores = product(query, self.score_proj(keys))
        else:
            scores = product(query, keys)
        scores = scores.astype(jnp.float32)
        seen = jnp.bool_(True) if mask is None else mask
        top = jnp.max(scores, -1, keepdims=True, initial=-3e38, where=seen)
        powers = jnp.where(seen, jnp.exp(jnp.where(seen, scores - jax.lax.stop_gradient(top), 0)), 0)
        total = einops.reduce(powers, "... t -> ... 1", "sum")
        weights = powers / jnp.maximum(total, 1e-30)
        context = einops.einsum(weights, keys, "... t, ... t d -> ... d").astype(keys.dtype)
        return jnp.tanh(self.out_proj(jnp.concatenate([context, query], -1))), weights


class LocalAttention(nnx.Module):
    def __init__(self, d_query, half_width, *, rngs):
        self.half_width = half_width
        self.position_proj = nnx.Linear(d_query, d_query, use_bias=False, rngs=rngs)
        self.position_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, position=None):
        length, reach = len(keys), self.half_width
        if position is None:
            said = self.position_vector(jnp.tanh(self.position_proj(query))).reshape(())
            position = length * jax.nn.sigmoid(said.astype(jnp.float32))
        # places first, first + 1, ..., of which every one in the window is one; shifted by the padding they are rows
        first = jnp.ceil(position - reach).astype(jnp.int32)
        size, margin = 2 * reach + 1, reach + 1
        padded = jnp.pad(keys, ((margin, margin + size), (0, 0)))
        cut = jax.lax.dynamic_slice_in_dim(padded, first + margin, size)
        places = first + jnp.arange(size)
        inside = (places >= 0) & (places < length) & (jnp.abs(places - position) <= reach)
        weights = jax.nn.softmax((cut @ query).astype(jnp.float32), where=inside)
        weights = weights * jnp.exp(-((places - position) ** 2) / (reach**2 / 2))
        whole = jax.lax.dynamic_update_slice_in_dim(
            jnp.zeros(len(padded), weights.dtype), weights, first + margin, axis=0
        )
        return (weights @ cut.astype(weights.dtype)).astype(keys.dtype), whole[margin : margin + length]
