"""The library's attention: on blocks as a batch, with the sinks in front of each, and on the slots of the cache."""

import jax
import jax.numpy as jnp
from flax import nnx


def sliding_window_attention(q, k, v, window, sinks=0):
    T, N, H = q.shape
    size, sinks = min(window, T), min(sinks, T)
    count = -(-T // size)
    cut = lambda x: jnp.pad(x, ((0, count * size - T), (0, 0), (0, 0))).reshape(count, size, N, H)

    def together(x):
        own, first = cut(x), jnp.broadcast_to(x[:sinks], (count, sinks, N, H))
        return jnp.concatenate([first, jnp.roll(own, 1, axis=0), own], axis=1)

    mine = jnp.arange(count * size).reshape(count, size, 1)
    theirs = mine[:, :1] - size + jnp.arange(2 * size)
    near = (theirs >= 0) & (theirs <= mine) & (theirs > mine - window)
    mask = jnp.concatenate([jnp.broadcast_to(jnp.arange(sinks) <= mine - window, (count, size, sinks)), near], axis=-1)
    out = jax.nn.dot_product_attention(cut(q), together(k), together(v), mask=mask[:, None])
    return out.reshape(-1, N, H)[:T]


class RollingCacheAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, window: int, *, rngs: nnx.Rngs):
        self.shape = (num_heads, d_model // num_heads)
        make = lambda: nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = make(), make(), make(), make()
        self.k_cache, self.v_cache = nnx.Cache(jnp.zeros((window, *self.shape))), nnx.Cache(jnp.zeros((window, *self.shape)))
        self.pos = nnx.Cache(jnp.array(0, jnp.int32))

    def __call__(self, x):
        window = self.k_cache[...].shape[0]
        for cache, project in ((self.k_cache, self.k_proj), (self.v_cache, self.v_proj)):
            new = project(x).reshape(1, *self.shape)
            cache[...] = jax.lax.dynamic_update_slice_in_dim(cache[...], new, self.pos[...] % window, axis=0)
        self.pos[...] += 1
        q = self.q_proj(x).reshape(1, 1, *self.shape)
        mask = jnp.arange(window)[None, None, None] < self.pos[...]
        return self.o_proj(jax.nn.dot_product_attention(q, self.k_cache[...][None], self.v_cache[...][None], mask=mask).reshape(-1))
