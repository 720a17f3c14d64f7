"""Each call puts new variables in place of the old ones, of the same kind, shape and dtype."""

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
        q, k, v = (p(x).reshape(x.shape[0], self.num_heads, self.head_dim) for p in (self.q_proj, self.k_proj, self.v_proj))
        slots, pos = jnp.arange(self.max_len), self.pos[...]
        mine = (slots - pos).clip(0, x.shape[0] - 1)                                # the row of this call that would land in a slot
        written = ((slots >= pos) & (slots < pos + x.shape[0]))[:, None, None]
        self.k_cache = nnx.Cache(jnp.where(written, k[mine], self.k_cache[...]))
        self.v_cache = nnx.Cache(jnp.where(written, v[mine], self.v_cache[...]))
        self.pos = nnx.Cache(pos + x.shape[0])
        seen = slots <= pos + jnp.arange(x.shape[0])[:, None]
        weights = jax.nn.softmax(jnp.einsum("tnh,snh->nts", q, self.k_cache[...]) / self.head_dim ** 0.5, where=seen)
        return self.o_proj(jnp.einsum("nts,snh->tnh", weights, self.v_cache[...]).reshape(x.shape))
