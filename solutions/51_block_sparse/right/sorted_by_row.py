"""Pairs are sorted by row first; where rows begin is found by a binary search, and padding gets weights of 0. Patterns by `choice` without replacement, a row at a time by `lax.map`."""

import jax
import jax.numpy as jnp
from einops import einsum, rearrange


def bigbird_blocks(key, num_blocks, window, num_global, num_random):
    number = jnp.arange(num_blocks)
    offset = number[:, None] - number[None, :]
    seen = jnp.logical_and(offset >= -window, offset <= window)
    seen = seen.at[:num_global].set(True).at[:, :num_global].set(True)
    if num_random == 0:
        return seen

    def more(args):
        key, row = args
        left = jnp.where(row, 0.0, 1.0)
        p = left / jnp.maximum(left.sum(), 1.0)
        drawn = jax.random.choice(key, num_blocks, (min(num_random, num_blocks),), replace=False, p=p)
        return row.at[drawn].set(True)

    return jax.lax.map(more, (jax.random.split(key, num_blocks), seen))


def block_sparse_attention(q, k, v, rows, columns, block_size):
    order = jnp.argsort(rows)                                   # padding comes first
    rows, columns = rows[order], columns[order]
    count = q.shape[0] // block_size
    q, k, v = (rearrange(x, "(r i) n h -> r n i h", i=block_size) for x in (q, k, v))
    begins = jnp.searchsorted(rows, jnp.arange(count))          # of each row in the list
    scores = einsum(q[rows], k[columns], "p n i h, p n j h -> p n i j").astype(jnp.float32) / jnp.sqrt(q.shape[-1])
    real = (rows >= 0)[:, None, None, None]
    scores = jnp.where(real, scores, -jnp.inf)
    # numbered by the place at which their row begins
    to = jnp.where(rows >= 0, begins[rows], len(rows))
    tops = jax.ops.segment_max(scores.max(-1), to, len(rows) + 1, indices_are_sorted=False)
    tops = jnp.where(jnp.isfinite(tops), tops, 0.0)
    powers = jnp.exp(scores - jax.lax.stop_gradient(tops[to])[..., None])
    both = jnp.concatenate([einsum(powers, v[columns].astype(jnp.float32), "p n i j, p n j h -> p n i h"), powers.sum(-1, keepdims=True)], -1)
    both = jax.ops.segment_sum(both, to, len(rows) + 1)
    ends = jnp.append(begins[1:], len(rows))
    both = jnp.where((begins < ends)[:, None, None, None], both[jnp.minimum(begins, len(rows))], 0.0)
    out, total = both[..., :-1], both[..., -1:]
    out = out / jnp.where(total == 0, 1, total)
    return rearrange(out, "r n i h -> (r i) n h").astype(q.dtype)
