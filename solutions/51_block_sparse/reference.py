"""51 · The reference: the pattern of Zaheer et al. 2020, section 2, and attention over listed pairs of blocks by sums
over segments."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient


def bigbird_blocks(key, num_blocks, window, num_global, num_random):
    given = given_blocks(num_blocks, window, num_global)
    # One number for each pair of blocks, all from one key: numbers of one array are independent, so that the rows are.
    numbers = jax.random.uniform(key, given.shape)
    # What window and global blocks give stands behind everything that may be drawn: uniform numbers are below 1.
    numbers = jnp.where(given, 2.0, numbers)
    # The place of each block in its row when the row is sorted. `argsort` says who stands at each place; sorting that
    # once more says at which place each one stands. Every order is as likely as any other, and so every set of the
    # first few.
    place = jnp.argsort(jnp.argsort(numbers, axis=1), axis=1)
    # Where fewer are left than asked for, the first places reach into what is given, which is seen anyway. Nothing has
    # to be counted, and `num_random` may be larger than the row.
    return given | (place < num_random)


def given_blocks(num_blocks, window, num_global):
    """bool (num_blocks, num_blocks): what is seen whatever the key is"""
    block = jnp.arange(num_blocks)
    near = jnp.abs(block[:, None] - block) <= window
    first = block < num_global
    # A global block sees all blocks, its row, and is seen by all, its column.
    return near | first[:, None] | first


def block_sparse_attention(q, k, v, rows, columns, block_size):
    length, heads, width = q.shape
    # Weights are computed in float32, whatever the inputs are. (float64 when they are: the answer key needs it.)
    wide = jnp.promote_types(q.dtype, jnp.float32)
    blocks = length // block_size
    # A block is `block_size` tokens that stand one behind the other.
    queries, keys, values = (x.reshape(blocks, block_size, heads, width) for x in (q, k, v))
    # Padding gets a row of its own behind all others, which is cut off at the end. Its -1 still reads the last block,
    # as an index from behind; what comes of that goes to nobody.
    row = jnp.where(rows < 0, blocks, rows)
    # One piece of scores for each pair, `(P, N, b, b)`, and no other score at all.
    scores = jnp.einsum("pinh,pjnh->pnij", queries[rows], keys[columns], preferred_element_type=wide) / width**0.5
    # The softmax of a query runs over all pieces of its row. So its maximum is taken within each piece, and then over
    # the pieces: `segment_max` gathers what has the same row, in whichever order it stands. What is taken off cancels,
    # and needs no gradient. Each row has its own maximum: with one for all, a row far below would underflow.
    top = over_rows(jax.ops.segment_max, stop_gradient(scores).max(-1), row, blocks)
    # Back to the pieces. A row without a piece has the maximum -inf, and no piece that reads it.
    powers = jnp.exp(scores - top[row][..., None])
    # Numerator and denominator are sums of sums, `(blocks + 1, N, b)` with the row of the padding.
    sums = over_rows(jax.ops.segment_sum, powers.sum(-1), row, blocks)
    out = jnp.einsum("pnij,pjnh->pnih", powers, values[columns].astype(wide))
    out = over_rows(jax.ops.segment_sum, out, row, blocks)
    # A row without a piece is 0 / 1. The divisor is replaced and not the quotient, so that the gradient is 0, too.
    out = out / jnp.where(sums == 0, 1.0, sums)[..., None]
    return jnp.moveaxis(out[:blocks], 1, 2).reshape(q.shape).astype(q.dtype)


def over_rows(gather, pieces, row, blocks):
    return gather(pieces, row, num_segments=blocks + 1)


def error_scale(q=None, k=None, v=None, rows=None, columns=None, block_size=None, **pattern):
    """How large the intermediate values are: (1 + max |score|) max |v|, over all scores, seen or not. Patterns are
    exact."""
    if q is None:
        return 1.0
    scores = np.einsum("inh,jnh->nij", q, k) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
