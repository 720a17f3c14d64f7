"""The slice is updated in place of the old one; the masked scores become the most negative float; one head after the other."""

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
        length, width = x.shape
        shape = (length, self.num_heads, self.head_dim)
        q, k, v = self.q_proj(x).reshape(shape), self.k_proj(x).reshape(shape), self.v_proj(x).reshape(shape)
        pos = self.pos[...]
        self.k_cache[...] = jax.lax.dynamic_update_slice(self.k_cache[...], k, (pos, 0, 0))
        self.v_cache[...] = jax.lax.dynamic_update_slice(self.v_cache[...], v, (pos, 0, 0))
        self.pos[...] = pos + length
        keys, values = self.k_cache[...], self.v_cache[...]
        hidden = jnp.arange(self.max_len)[None, :] > pos + jnp.arange(length)[:, None]
        heads = []
        for n in range(self.num_heads):
            scores = q[:, n] @ keys[:, n].T / jnp.sqrt(self.head_dim)
            scores = jnp.where(hidden, jnp.finfo(scores.dtype).min, scores)
            heads.append(jax.nn.softmax(scores, axis=-1) @ values[:, n])
        return self.o_proj(jnp.concatenate(heads, axis=-1))
