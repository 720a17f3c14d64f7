"""One query head after another in a `lax.map`, each taking its key/value head by an index inside the loop: one head at a time is no copy of all."""

import jax
import jax.numpy as jnp
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads:
            raise ValueError("num_heads must be a multiple of num_kv_heads")
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        shared = d_model // num_heads * num_kv_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, shared, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, shared, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        def split(array, heads):
            """(..., T, heads * H) -> (heads, ..., T, H)"""
            return jnp.moveaxis(array.reshape(*array.shape[:-1], heads, -1), -2, 0)

        k, v = split(self.k_proj(x), self.num_kv_heads), split(self.v_proj(x), self.num_kv_heads)

        def one_head(n_and_q):
            n, q = n_and_q
            read = n // (self.num_heads // self.num_kv_heads)
            return jax.nn.softmax(q @ k[read].mT / q.shape[-1] ** 0.5) @ v[read]

        heads = jax.lax.map(one_head, (jnp.arange(self.num_heads), split(self.q_proj(x), self.num_heads)))
        return self.o_proj(jnp.moveaxis(heads, 0, -2).reshape(x.shape))
