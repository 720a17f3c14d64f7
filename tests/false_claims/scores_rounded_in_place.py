"""The scores are rounded to the type of the inputs and back before they are exponentiated.

Problem: 39
Fails: float32 where it sums: `exp` takes a score that was rounded to bfloat16 inside `scan`
"""

import jax
import jax.numpy as jnp


def blockwise_attention(q, k, v, block_size, causal=False):
    t_q, t_k = len(q), len(k)
    block_size = min(block_size, t_k)
    count = -(-t_k // block_size)
    last = jnp.arange(t_q)[:, None] + (t_k - t_q) if causal else jnp.full((t_q, 1), t_k - 1)

    def in_blocks(rows):
        return jnp.pad(rows, ((0, count * block_size - t_k), (0, 0))).reshape(count, block_size, -1)

    def fold(carry, block):
        top, total, out = carry
        start, keys, values = block
        scores = jnp.dot(q, keys.T, preferred_element_type=jnp.float32) / q.shape[1] ** 0.5
        scores = scores.astype(q.dtype).astype(jnp.float32)
        scores = jnp.where(start + jnp.arange(block_size) <= last, scores, -jnp.inf)
        now = jnp.maximum(top, scores.max(-1, keepdims=True))
        base = jnp.where(now == -jnp.inf, 0.0, now)
        shrink, powers = jnp.exp(top - base), jnp.exp(scores - base)
        total = total * shrink + powers.sum(-1, keepdims=True)
        out = out * shrink + powers @ values.astype(jnp.float32)
        return (now, total, out), None

    start = jnp.full((t_q, 1), -jnp.inf), jnp.zeros((t_q, 1), jnp.float32), jnp.zeros((t_q, v.shape[1]), jnp.float32)
    (_, total, out), _ = jax.lax.scan(fold, start, (jnp.arange(count) * block_size, in_blocks(k), in_blocks(v)))
    return (out / jnp.where(total == 0, 1, total)).astype(q.dtype)
