"""40 · The reference: one kernel for interpret mode, TPU and GPU. The algorithm is that of FlashAttention (Dao et al.
2022)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl


def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    # The true lengths are kept: after the padding they stand in no shape, and the kernel has to hide what lies beyond
    # them. The blocks are cut to the sequence, or the default of 128 would make mostly padding of a short one.
    heads, t_q, width = q.shape
    t_k = k.shape[1]
    block_q, block_k = no_longer_than_needed(block_q, t_q), no_longer_than_needed(block_k, t_k)
    # Queries and keys come in whole blocks. A block that hangs over the end would hold NaN in interpret mode and
    # anything on a device, and a slice that hangs over would move back without a word. Queries are padded by their own
    # block, keys and values by theirs.
    q, k, v = padded(q, block_q), padded(k, block_k), padded(v, block_k)

    # What a step of the grid gets. Index maps return block numbers, not rows. A step for head $n$ and query block $i$
    # gets `(block_q, H)` of the queries, and the same piece of the output to write; and all keys and values of its
    # head, from which it reads block by block. `None` is the axis of heads, which the kernel does not see.
    queries = pl.BlockSpec((None, block_q, q.shape[2]), lambda head, block: (head, block, 0))
    all_keys = pl.BlockSpec((None, *k.shape[1:]), lambda head, block: (head, 0, 0))
    # The kernel gets its numbers by `partial`: Python values, which it may close over, as it may not over arrays. The
    # scale comes from the true width, before the padding.
    output = pl.pallas_call(
        functools.partial(kernel, t_q=t_q, t_k=t_k, block_k=block_k, causal=causal, scale=width**-0.5),
        # One step for each head and each query block, in any order, since steps share nothing. Key blocks are no axis
        # of the grid: each needs the carry of the one before, and their number depends on the step.
        grid=(heads, q.shape[1] // block_q),
        in_specs=[queries, all_keys, all_keys],
        out_specs=queries,
        # The output has the shape of the padded queries, and their dtype. `interpret` is passed on as it comes. No
        # `compiler_params`: those of one backend are refused by the other.
        out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
        interpret=interpret,
    )(q, k, v)
    # Padded queries computed something; here they go, and so do the padded columns.
    return output[:, :t_q, :width]


def kernel(q_ref, k_ref, v_ref, o_ref, *, t_q, t_k, block_k, causal, scale):
    """One block of queries of one head: `q_ref` and `o_ref` are (block_q, width); `k_ref` and `v_ref` hold all keys and
    values of the head."""
    # The queries are read once and serve every key block: this is what a large `block_q` is good for. Sums are kept in
    # `high`, float32 for bfloat16 inputs as well.
    q = q_ref[...]
    block_q, width = q.shape
    high = jnp.promote_types(q.dtype, jnp.float32)
    # Query 0 of the block stands at this place among the keys. The last of all queries stands at the last key, hence
    # $T_k - T_q$, with the true lengths. With more queries than keys the place may be negative.
    place = pl.program_id(1) * block_q + (t_k - t_q)

    def visit(block, state):
        # One tile. A slice of the ref loads only these rows; to load all keys first and slice the value is refused by
        # the Triton backend. `block * block_k` is also a start in which a TPU's compiler sees the multiple. The product
        # contracts the width of both, $Q K^\top$ without a transposed copy, and `(block_q, block_k)` scores in `high`
        # come out.
        start = block * block_k
        keys, values = k_ref[pl.ds(start, block_k), :], v_ref[pl.ds(start, block_k), :]
        scores = scale * jax.lax.dot_general(q, keys, (((1,), (1,)), ((), ())), preferred_element_type=high)
        return absorb(state, jnp.where(visible(scores.shape, place, start, t_k, causal), scores, -jnp.inf), values)

    # The carry $(m, \ell, o)$ before the first tile. The maximum starts at a finite number far below every score and
    # not at $-\infty$, so that $-\infty$ minus the maximum is never NaN. Maximum and sum are `(block_q, 1)`, with a
    # last axis of 1, a shape that a TPU takes.
    nothing = (
        jnp.full((block_q, 1), jnp.finfo(high).min, high),
        jnp.zeros((block_q, 1), high),
        jnp.zeros((block_q, width), high),
    )
    # `place + block_q` is the first key that no query of this block sees. The bound is known only when the step runs,
    # since it depends on `program_id`; a `fori_loop` in a kernel takes it. It may be 0.
    count = blocks_to_visit(place + block_q, k_ref.shape[0] // block_k, block_k, causal)
    _, total, output = jax.lax.fori_loop(0, count, visit, nothing)
    # Divide once, at the end, and write once. A query without any key has $\ell = 0$ and gets zeros. This line stands
    # outside the loop, so that a block of such queries, whose loop has no turn, is written too.
    o_ref[...] = (output / jnp.where(total == 0, 1, total)).astype(o_ref.dtype)


def absorb(state, scores, values):
    """The online softmax: the state after one more block of keys. What was summed under an old maximum shrinks to the
    new one."""
    # $m' = \max(m, \mathrm{rowmax}(S))$. The shapes stay `(block_q, 1)` by `keepdims`.
    top, total, output = state
    new_top = jnp.maximum(top, scores.max(axis=1, keepdims=True))
    # The factor $e^{m - m'}$ for the past and the powers $e^{S - m'}$ of this tile. The maximum never falls, so neither
    # exceeds 1. A hidden score is $-\infty$, its power is 0. A row that has seen nothing keeps the finite start as its
    # maximum, and all its powers are 0.
    shrink = jnp.exp(top - new_top)
    weights = jnp.exp(scores - new_top)
    # $\ell' = e^{m - m'} \ell + \mathrm{rowsum}(e^{S - m'})$, from the weights in full precision.
    total = shrink * total + weights.sum(axis=1, keepdims=True)
    # $o' = e^{m - m'} o + e^{S - m'} V$. For bfloat16 inputs the weights are cast down, so that the product runs on the
    # fast units, but the products are summed in float32. The padded values are zeros and not NaN: a weight of 0 would
    # not hide a NaN.
    output = shrink * output + jnp.dot(weights.astype(values.dtype), values, preferred_element_type=output.dtype)
    return new_top, total, output


def visible(tile, place, start, t_k, causal):
    """Which scores of a tile count: none of the padding after the last key, and under `causal` none of a later key."""
    # The place of every key and every query of the tile, as two arrays of its shape. On a TPU an iota needs two axes at
    # least, which `arange` does not have, and a kernel may not hold an array from outside.
    key = start + jax.lax.broadcasted_iota(jnp.int32, tile, 1)
    query = place + jax.lax.broadcasted_iota(jnp.int32, tile, 0)
    # A padded key is hidden by its place. Its score is 0, and $e^0$ is a weight like any other. The causal part is $c
    # \le r + (T_k - T_q)$, with the offset already in `query`. The first part is needed under `causal` too: a padded
    # query may stand beyond the last key.
    return (key < t_k) & (key <= query) if causal else key < t_k


def blocks_to_visit(first_hidden, blocks, block_k, causal):
    """How many key blocks a query block reads. `first_hidden` is the first key that none of its queries sees; it may
    lie before key 0 or after the last."""
    # Rounded up, so that a tile which the diagonal cuts is still visited. Clipped at both ends: at 0, since the first
    # queries may stand before all keys, and at the number of blocks, since padded queries would go beyond it. What lies
    # after the bound is not read at all, and a NaN there does no harm.
    return jnp.clip((first_hidden + block_k - 1) // block_k, 0, blocks) if causal else blocks


def no_longer_than_needed(block, length):
    """The block, or the power of two that holds the whole length, and at least the 16 rows that GPUs multiply at
    once."""
    # Not `min(block, length)`: 100 rows would be a block of 100, and Pallas's Triton backend takes powers of two only.
    # A block that the caller asks for is never made larger.
    return min(block, max(16, pl.next_power_of_2(length)))


def padded(x, block):
    """With rows of zeros up to a whole number of blocks, and columns of zeros up to a power of two, which Pallas's
    Triton backend asks for."""
    # `-length % block` is how much is missing to the next multiple, and 0 when nothing is. Columns of zeros add nothing
    # to a product $q \cdot k$, and the scale does not see them.
    _, length, width = x.shape
    return jnp.pad(x, ((0, 0), (0, -length % block), (0, max(16, pl.next_power_of_2(width)) - width)))


def error_scale(q, k, v, **options):
    """How large the intermediate values are: (1 + max |score|) max |v|."""
    # What decides the tolerance: the size of the scores, hidden ones included, and of the values.
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
