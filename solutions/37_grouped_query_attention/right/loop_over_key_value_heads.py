"""A Python loop over the key/value heads, each with its slices of the features, and a softmax by hand."""

import jax.numpy as jnp
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads:
            raise ValueError
        self.groups, self.width = num_kv_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, self.groups * self.width, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, self.groups * self.width, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        joined = []
        for q, k, v in zip(*(jnp.split(p(x), self.groups, axis=-1) for p in (self.q_proj, self.k_proj, self.v_proj))):
            q = q.reshape(*q.shape[:-1], -1, self.width)                                    # (..., T, G, H), and k is (..., T, H)
            scores = jnp.einsum("...tgh,...sh->...gts", q, k) / jnp.sqrt(self.width)
            powers = jnp.exp(scores - scores.max(axis=-1, keepdims=True))
            average = jnp.einsum("...gts,...sh->...tgh", powers / powers.sum(axis=-1, keepdims=True), v)
            joined.append(average.reshape(*x.shape[:-1], -1))
        return self.o_proj(jnp.concatenate(joined, axis=-1))
