"""36 · The reference: causal attention over a buffer that fills. One method for each step, so that a mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class CachedSelfAttention(nnx.Module):
    def __init__(self, d_model, num_heads, max_len, *, rngs):
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs))
        self.make_caches(max_len)

    def make_caches(self, max_len):
        self.k_cache = nnx.Cache(jnp.zeros((max_len, self.num_heads, self.head_dim)))
        self.v_cache = nnx.Cache(jnp.zeros((max_len, self.num_heads, self.head_dim)))
        self.make_position()

    def make_position(self):
        self.pos = nnx.Cache(jnp.zeros((), jnp.int32))

    def __call__(self, x):
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        start = self.position()
        keys, values = self.remember(k, v, start)
        self.advance(len(x))
        return self.o_proj(self.attend(q, keys, values, start).reshape(x.shape))

    def split(self, x):
        """(T, d_model) -> (T, N, H)"""
        return x.reshape(len(x), self.num_heads, self.head_dim)

    def remember(self, k, v, start):
        self.write(k, v, start)
        return self.k_cache[...], self.v_cache[...]

    def write(self, k, v, start):
        for cache, new in ((self.k_cache, k), (self.v_cache, v)):
            cache[...] = jax.lax.dynamic_update_slice_in_dim(cache[...], new, start, axis=0)

    def position(self):
        return self.pos[...]

    def advance(self, count):
        self.pos[...] += count

    def attend(self, q, k, v, start):
        """q (T, N, H), k and v (max_len, N, H) -> (T, N, H)"""
        scores = jnp.einsum("tnh,snh->nts", q, k) / self.head_dim ** 0.5
        weights = jax.nn.softmax(scores, axis=-1, where=self.visible(len(q), len(k), start))
        return jnp.einsum("nts,snh->tnh", weights, v)

    def visible(self, queries, slots, start):
        """Query i of this call is token `start + i`, and sees every slot up to its own."""
        return jnp.arange(slots) <= start + jnp.arange(queries)[:, None]


def error_scale(init, params, x):
    """How large the intermediate values are: (1 + max |score|) max |v| over the whole sequence, pairs that are masked included."""
    def heads(name):
        projected = x @ params[f"{name}.kernel"]
        return np.swapaxes(projected.reshape(*x.shape[:-1], init["num_heads"], -1), -3, -2)

    q, k, v = heads("q_proj"), heads("k_proj"), heads("v_proj")
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
