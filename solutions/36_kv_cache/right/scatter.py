"""The rows are set at computed indices, and a softmax by hand takes off the largest visible score."""

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
        rows = self.pos[...] + jnp.arange(x.shape[0])
        q, k, v = (p(x).reshape(x.shape[0], self.num_heads, -1).swapaxes(0, 1) for p in (self.q_proj, self.k_proj, self.v_proj))
        self.k_cache[...] = self.k_cache[...].at[rows].set(k.swapaxes(0, 1))
        self.v_cache[...] = self.v_cache[...].at[rows].set(v.swapaxes(0, 1))
        self.pos[...] += x.shape[0]
        keys, values = (cache[...].swapaxes(0, 1) for cache in (self.k_cache, self.v_cache))
        scores = q @ keys.swapaxes(1, 2) * self.head_dim ** -0.5
        scores = jnp.where(rows[:, None] >= jnp.arange(self.max_len), scores, -jnp.inf)
        powers = jnp.exp(scores - jax.lax.stop_gradient(scores.max(-1, keepdims=True)))
        weights = powers / powers.sum(-1, keepdims=True)
        return self.o_proj((weights @ values).swapaxes(0, 1).reshape(x.shape))
