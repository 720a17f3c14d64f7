"""A chunk is taken token by token inside the call, by a scan that carries the caches: no mask is needed inside a chunk."""

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
        def token(carry, row):
            keys, values, pos = carry
            q, k, v = (r.reshape(self.num_heads, self.head_dim) for r in row)
            keys, values = keys.at[pos].set(k), values.at[pos].set(v)
            scores = jnp.einsum("nh,snh->ns", q, keys) / self.head_dim ** 0.5
            weights = jax.nn.softmax(scores, axis=-1, where=jnp.arange(len(keys)) <= pos)
            return (keys, values, pos + 1), jnp.einsum("ns,snh->nh", weights, values).ravel()

        start = self.k_cache[...], self.v_cache[...], self.pos[...]
        end, attended = jax.lax.scan(token, start, (self.q_proj(x), self.k_proj(x), self.v_proj(x)))
        self.k_cache[...], self.v_cache[...], self.pos[...] = end
        return self.o_proj(attended)
