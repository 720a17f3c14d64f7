"""Every step attends from every slot, in a loop that ends when numbers say so.

Problem: 36
Unproved: a step costs no more than its token: it has a loop that runs as often as numbers say
"""

import jax
import jax.numpy as jnp
from flax import nnx


class CachedSelfAttention(nnx.Module):
    def __init__(self, d_model, num_heads, max_len, *, rngs):
        self.num_heads, self.head_dim, self.max_len = num_heads, d_model // num_heads, max_len
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_cache = nnx.Cache(jnp.zeros((max_len, num_heads, self.head_dim)))
        self.v_cache = nnx.Cache(jnp.zeros((max_len, num_heads, self.head_dim)))
        self.pos = nnx.Cache(jnp.array(0, jnp.int32))

    def __call__(self, x):
        start = self.pos[...]
        q, k, v = (p(x).reshape(len(x), self.num_heads, self.head_dim) for p in (self.q_proj, self.k_proj, self.v_proj))
        self.k_cache[...] = jax.lax.dynamic_update_slice_in_dim(self.k_cache[...], k, start, axis=0)
        self.v_cache[...] = jax.lax.dynamic_update_slice_in_dim(self.v_cache[...], v, start, axis=0)
        self.pos[...] = start + len(x)
        queries = jax.lax.dynamic_update_slice_in_dim(jnp.zeros_like(self.k_cache[...]), q, start, axis=0)
        slots = jnp.arange(self.max_len)

        def row(state):                         # from every slot, and most of it for nothing
            i, out = state
            scores = jnp.einsum("nh,snh->ns", jax.lax.dynamic_index_in_dim(queries, i, keepdims=False), self.k_cache[...]) / self.head_dim ** 0.5
            row = jnp.einsum("ns,snh->nh", jax.nn.softmax(scores, where=slots <= i), self.v_cache[...])
            return i + 1, jax.lax.dynamic_update_index_in_dim(out, row, i, axis=0)

        _, outputs = jax.lax.while_loop(lambda state: state[0] < self.max_len, row, (0, jnp.zeros_like(queries)))
        return self.o_proj(jax.lax.dynamic_slice_in_dim(outputs, start, len(x), axis=0).reshape(x.shape))
