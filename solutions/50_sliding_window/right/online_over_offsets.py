"""An online softmax that goes back one token at a time, all queries at once, and then through the sinks. The write is a one-hot choice; the mask is added."""

import jax
import jax.numpy as jnp
from flax import nnx


def fold(state, score, value, seen):
    top, total, out = state
    score = jnp.where(seen, score, -jnp.inf)
    new = jnp.maximum(top, score)
    old, weight = jnp.exp(top - new), jnp.exp(score - new)
    return new, total * old + weight, out * old[..., None] + weight[..., None] * value


def sliding_window_attention(q, k, v, window, sinks=0):
    T, window, sinks = len(q), min(window, len(q)), min(sinks, len(q))
    dtype, place = q.dtype, jnp.arange(len(q))[:, None]
    q, k, v = (x.astype(jnp.float32) for x in (q * q.shape[-1] ** -0.5 if dtype == jnp.float32 else q, k, v))
    scale = 1.0 if dtype == jnp.float32 else q.shape[-1] ** -0.5
    score = lambda keys: (q * keys).sum(-1) * scale

    def back(carry, offset):
        keys, values, state = carry
        keys, values = (jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]]) for x in (keys, values))
        return (keys, values, fold(state, score(keys), values, place >= offset)), None

    def sink(state, at):
        key, value, number = at
        return fold(state, score(key), value, place - number >= window), None

    begin = score(k), jnp.ones(q.shape[:2]), v
    (_, _, state), _ = jax.lax.scan(back, (k, v, begin), jnp.arange(1, window))
    (_, total, out), _ = jax.lax.scan(sink, state, (k[:sinks], v[:sinks], jnp.arange(sinks)))
    return (out / total[..., None]).astype(dtype)


class RollingCacheAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, window: int, *, rngs: nnx.Rngs):
        self.num_heads, self.head_dim, self.window = num_heads, d_model // num_heads, window
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_cache = nnx.Cache(jnp.zeros((window, num_heads, self.head_dim)))
        self.v_cache = nnx.Cache(jnp.zeros((window, num_heads, self.head_dim)))
        self.pos = nnx.Cache(jnp.zeros((), dtype=jnp.int32))

    def __call__(self, x):
        pos, slots = self.pos[...], jnp.arange(self.window)
        split = lambda y: y.reshape(self.num_heads, self.head_dim)
        here = (slots == jnp.mod(pos, self.window))[:, None, None]
        self.k_cache[...] = jnp.where(here, split(self.k_proj(x)), self.k_cache[...])
        self.v_cache[...] = jnp.where(here, split(self.v_proj(x)), self.v_cache[...])
        self.pos[...] = pos + jnp.int32(1)
        bias = jnp.where(slots < jnp.minimum(pos + 1, self.window), 0.0, -jnp.inf)
        scores = jnp.einsum("nh,snh->ns", split(self.q_proj(x)), self.k_cache[...]) * self.head_dim ** -0.5
        return self.o_proj(jnp.einsum("ns,snh->nh", jax.nn.softmax(scores + bias), self.v_cache[...]).ravel())
