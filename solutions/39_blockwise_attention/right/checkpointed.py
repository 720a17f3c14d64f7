"""A step under jax.checkpoint, so that the gradient stores no weights; the ragged end is a step of its own, without padding."""

import jax
import jax.numpy as jnp


def blockwise_attention(q, k, v, block_size, causal=False):
    t_q, t_k = q.shape[0], k.shape[0]
    whole = t_k // block_size
    shift = t_k - t_q
    scaled = q.astype(jnp.float32) * jax.lax.rsqrt(jnp.float32(q.shape[1]))

    def fold(state, start, keys, values):
        m, l, o = state
        s = scaled @ keys.astype(jnp.float32).T
        if causal:
            i, j = jax.lax.broadcasted_iota(jnp.int32, s.shape, 0), jax.lax.broadcasted_iota(jnp.int32, s.shape, 1)
            s = jnp.where(start + j <= i + shift, s, -jnp.inf)
        peak = jnp.maximum(m, s.max(axis=1, keepdims=True))
        safe = jnp.where(jnp.isneginf(peak), 0.0, peak)
        p, a = jnp.exp(s - safe), jnp.exp(m - safe)
        return peak, l * a + p.sum(axis=1, keepdims=True), o * a + p @ values.astype(jnp.float32)

    @jax.checkpoint
    def step(state, b):
        start = b * block_size
        keys, values = (jax.lax.dynamic_slice_in_dim(x, start, block_size) for x in (k, v))
        return fold(state, start, keys, values), None

    state = jnp.full((t_q, 1), -jnp.inf), jnp.zeros((t_q, 1)), jnp.zeros((t_q, v.shape[1]))
    if whole:
        state, _ = jax.lax.scan(step, state, jnp.arange(whole))
    if whole * block_size < t_k:
        state = fold(state, whole * block_size, k[whole * block_size:], v[whole * block_size:])
    _, l, o = state
    return jnp.where(l == 0, 0.0, o / jnp.where(l == 0, 1.0, l)).astype(q.dtype)
