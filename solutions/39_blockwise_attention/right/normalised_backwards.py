"""A scan that carries finished averages, from the last block to the first, so that most rows begin with blocks that they do not see."""

from functools import partial

import jax
import jax.numpy as jnp


@partial(jax.jit, static_argnames=("block_size", "causal"))
def blockwise_attention(q, k, v, block_size, causal=False):
    n, m = len(q), len(k)
    qf, kf, vf = q.astype(jnp.float32) / q.shape[-1] ** 0.5, k.astype(jnp.float32), v.astype(jnp.float32)
    size = min(block_size, m)
    short = -m % size
    key_blocks = jnp.concatenate([kf, jnp.zeros((short, k.shape[1]))]).reshape(-1, size, k.shape[1])
    value_blocks = jnp.concatenate([vf, jnp.zeros((short, v.shape[1]))]).reshape(-1, size, v.shape[1])
    places = jnp.arange(m + short).reshape(-1, size)

    def step(carry, block):
        average, weight, top = carry
        keys, values, place = block
        scores = qf @ keys.T
        seen = (place < m)[None] & (place[None] <= jnp.arange(n)[:, None] + (m - n) if causal else True)
        new_top = jax.lax.stop_gradient(jnp.maximum(top, jnp.max(scores, axis=-1, where=seen, initial=-jnp.inf)))
        finite = jnp.where(jnp.isfinite(new_top), new_top, 0.0)
        powers = jnp.exp(jnp.where(seen, scores - finite[:, None], -jnp.inf))
        old = weight * jnp.exp(top - finite)
        new = old + powers.sum(1)
        divisor = jnp.where(new > 0, new, 1.0)[:, None]
        return ((average * old[:, None] + powers @ values) / divisor, new, new_top), None

    begin = jnp.zeros((n, v.shape[1])), jnp.zeros(n), jnp.full(n, -jnp.inf)
    (average, _, _), _ = jax.lax.scan(step, begin, (key_blocks, value_blocks, places), reverse=True)
    return average.astype(q.dtype)
