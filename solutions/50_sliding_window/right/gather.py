"""The window's keys are gathered for each query, an index below 0 clipped and hidden. The cache shifts: the newest token is always in the last slot."""

import jax
import jax.numpy as jnp
from flax import nnx


def sliding_window_attention(q, k, v, window, sinks=0):
    T, N, H = q.shape
    window = min(window, T)
    here = jnp.arange(T)[:, None]
    near = here - jnp.arange(window)[::-1]
    first = jnp.broadcast_to(jnp.arange(min(sinks, T)), (T, min(sinks, T)))
    index = jnp.concatenate([first, near], axis=1).clip(0)
    seen = jnp.concatenate([here - first >= window, near >= 0], axis=1)
    scores = jnp.einsum("tnh,twnh->tnw", q, k[index], preferred_element_type=jnp.float32) / jnp.sqrt(H)
    weights = jax.nn.softmax(jnp.where(seen[:, None], scores, -jnp.inf), axis=-1)
    return jnp.einsum("tnw,twnh->tnh", weights, v[index]).astype(q.dtype)


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
        q, k, v = (p(x).reshape(1, self.num_heads, -1) for p in (self.q_proj, self.k_proj, self.v_proj))
        self.k_cache[...] = jnp.concatenate([self.k_cache[...][1:], k])
        self.v_cache[...] = jnp.concatenate([self.v_cache[...][1:], v])
        self.pos[...] = self.pos[...] + 1
        empty = jnp.maximum(self.window - self.pos[...], 0)
        scores = (q * self.k_cache[...]).sum(-1).T / q.shape[-1] ** 0.5                # (N, window)
        scores = jnp.where(jnp.arange(self.window) >= empty, scores, -jnp.inf)
        return self.o_proj((jax.nn.softmax(scores)[..., None] * self.v_cache[...].swapaxes(0, 1)).sum(1).reshape(-1))
