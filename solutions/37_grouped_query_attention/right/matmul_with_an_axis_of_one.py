"""Matrix products against an axis of size 1: `@` drops that axis and multiplies, it does not broadcast the keys."""

import math

import jax
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        group, rest = divmod(num_heads, num_kv_heads)
        if rest:
            raise ValueError(f"{num_heads} heads do not make {num_kv_heads} equal groups")
        head = d_model // num_heads
        self.of_queries, self.of_keys = (num_kv_heads, group, head), (num_kv_heads, 1, head)
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, num_kv_heads * head, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, num_kv_heads * head, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        def heads(projected, shape):
            """(..., T, K, G or 1, H) -> (..., K, G or 1, T, H)"""
            return projected.reshape(*x.shape[:-1], *shape).swapaxes(-4, -3).swapaxes(-3, -2)

        q, k, v = heads(self.q_proj(x), self.of_queries), heads(self.k_proj(x), self.of_keys), heads(self.v_proj(x), self.of_keys)
        together = jax.nn.softmax(q @ k.mT / math.sqrt(q.shape[-1]), axis=-1) @ v
        return self.o_proj(together.swapaxes(-3, -2).swapaxes(-4, -3).reshape(x.shape))
