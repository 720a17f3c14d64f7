"""Written for one sequence, and spread over the batch by `jnp.vectorize`; the scores are three small functions."""

import jax
import jax.numpy as jnp
from flax import nnx

SCORES = {
    "dot": lambda module, query, keys: keys @ query,
    "general": lambda module, query, keys: module.score_proj(keys) @ query,
    "concat": lambda module, query, keys: jax.vmap(
        lambda key: module.score_vector(jnp.tanh(module.score_proj(jnp.hstack([query, key]))))[0]
    )(keys),
}


class LuongAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, score: str, *, rngs: nnx.Rngs):
        sizes = {
            "dot": {},
            "general": {"score_proj": (d_key, d_query)},
            "concat": {"score_proj": (d_query + d_key, d_query), "score_vector": (d_query, 1)},
        }
        if score not in sizes:
            raise ValueError(f"{score!r} is none of {list(sizes)}")
        if score == "dot" and d_key != d_query:
            raise ValueError("the widths differ")
        for name, (d_in, d_out) in {**sizes[score], "out_proj": (d_key + d_query, d_query)}.items():
            setattr(self, name, nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs))
        self.score = score

    def __call__(self, query, keys, mask=None):
        if mask is None:
            mask = jnp.full(keys.shape[:-1], True)
        return jnp.vectorize(self.one, signature="(q),(t,k),(t)->(q),(t)")(query, keys, mask)

    def one(self, query, keys, mask):
        scores = SCORES[self.score](self, query, keys).astype(jnp.float32)
        weights = jnp.where(mask, jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(jnp.float32).min)), 0)
        context = jnp.where(mask[:, None], keys, 0).astype(jnp.float32).T @ weights
        return jnp.tanh(self.out_proj(jnp.hstack([context.astype(keys.dtype), query]))), weights


class LocalAttention(nnx.Module):
    def __init__(self, d_query: int, half_width: int, *, rngs: nnx.Rngs):
        self.half_width = half_width
        self.position_proj = nnx.Linear(d_query, d_query, use_bias=False, rngs=rngs)
        self.position_vector = nnx.Linear(d_query, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, position=None):
        if position is None:
            (logit,) = self.position_vector(nnx.tanh(self.position_proj(query)))
            position = nnx.sigmoid(logit.astype(jnp.float32)) * len(keys)
        place = jnp.arange(len(keys), dtype=jnp.float32)
        weights = jax.nn.softmax(jnp.where(jnp.abs(place - position) <= self.half_width, keys @ query, -1e38).astype("f"))
        weights *= jnp.where(jnp.abs(place - position) <= self.half_width, 1.0, 0.0)
        weights *= jax.scipy.stats.norm.pdf(place, position, self.half_width / 2) / jax.scipy.stats.norm.pdf(
            0.0, 0.0, self.half_width / 2
        )
        return (weights @ keys).astype(keys.dtype), weights
