"""vmap over queries and heads, each of which slices its window out of padded keys. New variables take the place of the old ones in each step, and the age of a slot says whether it is written."""

import jax
import jax.numpy as jnp
from flax import nnx


def sliding_window_attention(q, k, v, window, sinks=0):
    T, N, H = q.shape
    W, S = min(window, T), min(sinks, T)

    def one_head(q, k, v):
        padded_k, padded_v = (jnp.concatenate([jnp.zeros((W, H), x.dtype), x]) for x in (k, v))

        def one_query(i, query):
            number = i - W + 1 + jnp.arange(W)
            keys = jnp.concatenate([k[:S], jax.lax.dynamic_slice(padded_k, (i + 1, 0), (W, H))])
            values = jnp.concatenate([v[:S], jax.lax.dynamic_slice(padded_v, (i + 1, 0), (W, H))])
            seen = jnp.concatenate([jnp.arange(S) <= i - W, number >= 0])
            scores = keys.astype(jnp.float32) @ query.astype(jnp.float32) / H ** 0.5
            return jax.nn.softmax(scores, where=seen) @ values.astype(jnp.float32)

        return jax.vmap(one_query)(jnp.arange(T), q)

    return jax.vmap(one_head, in_axes=1, out_axes=1)(q, k, v).astype(q.dtype)


class RollingCacheAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, window: int, *, rngs: nnx.Rngs):
        self.num_heads, self.window = num_heads, window
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_cache = nnx.Cache(jnp.zeros((window, num_heads, d_model // num_heads)))
        self.v_cache = nnx.Cache(jnp.zeros((window, num_heads, d_model // num_heads)))
        self.pos = nnx.Cache(jnp.array(0, jnp.int32))

    def __call__(self, x):
        pos, heads = self.pos[...], (self.num_heads, -1)
        # scaled as it is kept, since nobody asks what is in the cache
        k = self.k_proj(x).reshape(heads) / (x.shape[0] // self.num_heads) ** 0.5
        self.k_cache = nnx.Cache(self.k_cache[...].at[pos % self.window].set(k))
        self.v_cache = nnx.Cache(self.v_cache[...].at[pos % self.window].set(self.v_proj(x).reshape(heads)))
        self.pos = nnx.Cache(pos + 1)
        age = (pos - jnp.arange(self.window)) % self.window                       # of what a slot holds; 0 is this token

        def head(query, keys, values):
            return jax.nn.softmax(keys @ query, where=age <= pos) @ values

        out = jax.vmap(head, in_axes=(0, 1, 1))(self.q_proj(x).reshape(heads), self.k_cache[...], self.v_cache[...])
        return self.o_proj(out.reshape(x.shape))
