"""One head as a function of its own, mapped over the axis of the heads; softmax over the visible slots."""

import jax
import jax.numpy as jnp
from flax import nnx


class CachedSelfAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, max_len: int, *, rngs: nnx.Rngs):
        self.num_heads, self.head_dim, self.max_len = num_heads, d_model // num_heads, max_len
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_cache = nnx.Cache(jnp.zeros((max_len, num_heads, self.head_dim)))
        self.v_cache = nnx.Cache(jnp.zeros((max_len, num_heads, self.head_dim)))
        self.pos = nnx.Cache(jnp.array(0, jnp.int32))

    def __call__(self, x):
        pos, length = self.pos[...], x.shape[0]

        def head(q, k, v, k_cache, v_cache):
            k_cache = jax.lax.dynamic_update_slice(k_cache, k, (pos, jnp.int32(0)))
            v_cache = jax.lax.dynamic_update_slice(v_cache, v, (pos, jnp.int32(0)))
            visible = jnp.arange(self.max_len) - jnp.arange(length)[:, None] <= pos
            weights = jax.nn.softmax(q @ k_cache.T / self.head_dim ** 0.5, where=visible)
            return weights @ v_cache, k_cache, v_cache

        split = (p(x).reshape(length, self.num_heads, self.head_dim) for p in (self.q_proj, self.k_proj, self.v_proj))
        out, self.k_cache[...], self.v_cache[...] = jax.vmap(head, in_axes=1, out_axes=1)(*split, self.k_cache[...], self.v_cache[...])
        self.pos[...] = pos + length
        return self.o_proj(out.reshape(length, -1))
