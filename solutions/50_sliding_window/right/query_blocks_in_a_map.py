"""A map over blocks of 32 queries, each with a slice of the keys that reaches a window back. The module attends to what was there before and to its own token, and writes from the last slot down."""

import jax
import jax.numpy as jnp
from flax import nnx

BLOCK = 32


def sliding_window_attention(q, k, v, window, sinks=0):
    T, N, H = q.shape
    reach = min(window, T) - 1
    blocks = (T + BLOCK - 1) // BLOCK
    behind = blocks * BLOCK - T
    rows = lambda x, before: jnp.pad(x, ((before, behind), (0, 0), (0, 0)))
    k_near, v_near, k_first, v_first = rows(k, reach), rows(v, reach), k[:sinks], v[:sinks]

    def block(inputs):
        queries, begin = inputs
        cut = lambda x: jax.lax.dynamic_slice_in_dim(x, begin, BLOCK + reach)
        number = begin - reach + jnp.arange(BLOCK + reach)
        number = jnp.concatenate([jnp.arange(len(k_first)), number])
        mine = begin + jnp.arange(BLOCK)[:, None]
        within = (number > mine - window) & (number <= mine)
        is_sink = jnp.arange(len(number)) < len(k_first)
        seen = jnp.where(is_sink, number <= mine - window, within & (number >= 0))
        keys, values = jnp.concatenate([k_first, cut(k_near)]), jnp.concatenate([v_first, cut(v_near)])
        scores = jnp.einsum("inh,jnh->nij", queries, keys, preferred_element_type=jnp.float32) / H ** 0.5
        scores = jnp.where(seen, scores, -1e30)
        weights = jnp.exp(scores - scores.max(-1, keepdims=True))
        out = jnp.einsum("nij,jnh->inh", weights, values.astype(jnp.float32))
        return (out / weights.sum(-1).T[..., None]).astype(queries.dtype)

    queries = rows(q, 0).reshape(blocks, BLOCK, N, H)
    return jax.lax.map(block, (queries, BLOCK * jnp.arange(blocks))).reshape(-1, N, H)[:T]


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
        q, k, v = (p(x).reshape(self.num_heads, -1) for p in (self.q_proj, self.k_proj, self.v_proj))
        slot = self.window - 1 - self.pos[...] % self.window
        # the token that leaves stands in the slot that is written next
        past = (jnp.arange(self.window) >= self.window - self.pos[...]) & (jnp.arange(self.window) != slot)
        scores = jnp.where(past, jnp.einsum("nh,snh->ns", q, self.k_cache[...]), -jnp.inf)
        scores = jnp.append(scores, (q * k).sum(-1, keepdims=True), axis=1) / q.shape[-1] ** 0.5
        values = jnp.append(self.v_cache[...], v[None], axis=0)
        self.k_cache[...] = jax.lax.dynamic_update_slice(self.k_cache[...], k[None], (slot, 0, 0))
        self.v_cache[...] = jax.lax.dynamic_update_slice(self.v_cache[...], v[None], (slot, 0, 0))
        self.pos[...] += 1
        return self.o_proj(jnp.einsum("ns,snh->nh", jax.nn.softmax(scores), values).reshape(-1))
