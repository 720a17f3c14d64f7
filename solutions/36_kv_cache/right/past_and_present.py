"""The past is read from the caches as they were, the present from this call, and one softmax runs over both."""

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
        length, pos = x.shape[0], self.pos[...]
        q, k, v = (p(x).reshape(length, self.num_heads, self.head_dim) for p in (self.q_proj, self.k_proj, self.v_proj))
        past = jnp.where(jnp.arange(self.max_len) < pos, jnp.einsum("tnh,snh->nts", q, self.k_cache[...]), -jnp.inf)
        present = jnp.where(jnp.tril(jnp.ones((length, length), bool)), jnp.einsum("tnh,snh->nts", q, k), -jnp.inf)
        weights = jax.nn.softmax(jnp.concatenate([past, present], axis=-1) / self.head_dim ** 0.5, axis=-1)
        out = jnp.einsum("nts,snh->tnh", weights, jnp.concatenate([self.v_cache[...], v]))
        rows = pos + jnp.arange(length)
        self.k_cache[...] = self.k_cache[...].at[rows].set(k)
        self.v_cache[...] = self.v_cache[...].at[rows].set(v)
        self.pos[...] += length
        return self.o_proj(out.reshape(x.shape))
