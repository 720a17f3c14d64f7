"""The library's attention under a mask, written through the library's in-place operators."""

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
        heads = (-1, self.num_heads, self.head_dim)
        where = self.pos[...] + jnp.arange(x.shape[0], dtype=jnp.int32)
        self.k_cache[...] = jax.lax.dynamic_update_slice_in_dim(self.k_cache[...], self.k_proj(x).reshape(heads), self.pos[...], axis=0)
        self.v_cache[...] = jax.lax.dynamic_update_slice_in_dim(self.v_cache[...], self.v_proj(x).reshape(heads), self.pos[...], axis=0)
        self.pos[...] = where[-1] + 1
        mask = jnp.arange(self.max_len)[None, :] <= where[:, None]
        attended = jax.nn.dot_product_attention(self.q_proj(x).reshape(heads), self.k_cache[...], self.v_cache[...], mask=mask[None])
        return self.o_proj(attended.reshape(x.shape))
