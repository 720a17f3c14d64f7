"""39 · The reference: Rabe and Staats 2021, with the online softmax of Milakov and Gimelshein 2018, one loop over blocks of keys."""

import jax.numpy as jnp
import numpy as np
from jax.lax import scan, stop_gradient


def blockwise_attention(q, k, v, block_size, causal=False):
    (t_q, d_k), (t_k, d_v) = q.shape, v.shape
    wide = jnp.promote_types(q.dtype, jnp.float32)
    block_size = min(block_size, t_k)
    count = -(-t_k // block_size)

    def in_blocks(rows):
        padded = jnp.pad(rows, ((0, count * block_size - t_k), (0, 0)))
        return padded.reshape(count, block_size, rows.shape[1])

    # The last key of each query; it hides the padding as well.
    last = jnp.arange(t_q)[:, None] + (t_k - t_q) if causal else jnp.full((t_q, 1), t_k - 1)

    def fold(carry, block):
        top, total, out = carry
        start, keys, values = block
        scores = jnp.dot(q, keys.T, preferred_element_type=wide) / d_k ** 0.5
        scores = jnp.where(start + jnp.arange(block_size) <= last, scores, -jnp.inf)
        # What is taken off cancels in the end, so it needs no gradient.
        top_now = stop_gradient(jnp.maximum(top, scores.max(-1, keepdims=True)))
        # A row that has seen no key yet has no maximum, and -inf - -inf is NaN.
        base = jnp.where(top_now == -jnp.inf, 0.0, top_now)
        shrink, powers = jnp.exp(top - base), jnp.exp(scores - base)
        total = total * shrink + powers.sum(-1, keepdims=True)
        out = out * shrink + powers @ values.astype(wide)
        return (top_now, total, out), None

    start = (jnp.full((t_q, 1), -jnp.inf, wide), jnp.zeros((t_q, 1), wide), jnp.zeros((t_q, d_v), wide))
    (_, total, out), _ = scan(fold, start, (jnp.arange(count) * block_size, in_blocks(k), in_blocks(v)))
    return (out / jnp.where(total == 0, 1.0, total)).astype(q.dtype)


def error_scale(q, k, v, block_size, causal=False):
    """How large the intermediate values are: (1 + max |score|) max |v|, over all scores, hidden or not."""
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
