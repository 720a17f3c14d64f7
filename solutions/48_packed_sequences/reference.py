"""48 · The reference: the mask of Krell et al. 2021, and the layout of FlashAttention's variable-length call (Dao
2023), once with all scores and once with the online softmax of problem 39."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import scan, stop_gradient


def segment_ids(cu_seqlens, total):
    # Sequence $b$ begins at `cu_seqlens[b]`, and row $i$ belongs to the last sequence that has begun by then. So count
    # the beginnings that are at most $i$, and take off one. `side="right"` counts those that equal $i$: a row at which
    # a sequence begins is that sequence's. Of several that begin at one place all but the last are empty, and the
    # count passes them by. Behind the last sequence all $B + 1$ entries count, which gives $B$.
    begun = jnp.searchsorted(cu_seqlens, jnp.arange(total), side="right")
    # int32 also where JAX counts in 64 bits.
    return begun.astype(jnp.int32) - 1


def packed_attention(q, k, v, cu_seqlens, causal=False):
    # Weights are computed in float32, whatever the inputs are. (float64 when they are: the answer key needs it.)
    wide = jnp.promote_types(q.dtype, jnp.float32)
    # All scores of a head, `(N, total, total)`: most of them are between rows of different sequences, and thrown away.
    scores = jnp.einsum("inh,jnh->nij", q, k, preferred_element_type=wide) / q.shape[-1] ** 0.5
    # The softmax with `where=` gives weight 0 to what is hidden, and zeros to a row that sees nothing, without a NaN in
    # the value or in the gradient. It never looks at a hidden score, which may have overflowed.
    weights = jax.nn.softmax(scores, axis=-1, where=visible(cu_seqlens, len(q), causal))
    # A weight of exactly 0 times any finite value is 0, so nothing comes from rows that nobody owns.
    return jnp.einsum("nij,jnh->inh", weights, v.astype(wide)).astype(q.dtype)


def visible(cu_seqlens, total, causal):
    """bool (total, total): whether row i sees row j"""
    owner, row = segment_ids(cu_seqlens, total), jnp.arange(total)
    return sees(owner, row, owner, row, len(cu_seqlens) - 1, causal)


def sees(owner, row, key_owner, key_row, nobody, causal):
    """Owners and rows of some queries, and of some keys -> bool (queries, keys)"""
    # The same sequence on both sides, and a sequence at all: rows that nobody owns have the number $B$ in common, and
    # are no sequence.
    seen = (owner[:, None] == key_owner) & (key_owner < nobody)
    # Causal within the sequence: two rows of one sequence stand in the pack in the order in which they stand in the
    # sequence, so their rows may be compared. Places within the sequence are not needed.
    return seen & (key_row <= row[:, None]) if causal else seen


def packed_blockwise_attention(q, k, v, cu_seqlens, block_size, causal=False):
    total, heads, width = q.shape
    wide = jnp.promote_types(q.dtype, jnp.float32)
    # A block longer than the pack would be mostly padding. The number of blocks is rounded up, since the last rows are
    # somebody's.
    block_size = min(block_size, total)
    count = -(-total // block_size)
    owner, row, nobody = segment_ids(cu_seqlens, total), jnp.arange(total), len(cu_seqlens) - 1

    def in_blocks(rows, filled=0):
        # `(total, ...)` becomes `(count, b, ...)`: a scan walks along the first axis.
        padded = jnp.pad(rows, [(0, count * block_size - total)] + [(0, 0)] * (rows.ndim - 1), constant_values=filled)
        return padded.reshape(count, block_size, *rows.shape[1:])

    def fold(carry, block):
        # One step: what the keys of a block do to $m$, $\ell$ and $o$ of problem 39, here for each head: `top` and
        # `summed` are `(N, total, 1)`, `out` is `(N, total, H)`.
        top, summed, out = carry
        keys, values, key_owner, key_row = block
        scores = jnp.einsum("inh,jnh->nij", q, keys, preferred_element_type=wide) / width**0.5
        # Only here do the sequences come in, `(total, b)` of the mask at a time. A block may hold the end of one
        # sequence, several short ones, and the beginning of another; the comparison does not mind.
        seen = sees(owner, row, key_owner, key_row, nobody, causal)
        scores = jnp.where(seen, scores, -jnp.inf)
        # The running maximum, from visible scores only; what is taken off cancels, and needs no gradient.
        top_now = stop_gradient(jnp.maximum(top, scores.max(-1, keepdims=True)))
        # In a pack most rows see nothing of most blocks: the maximum stays $-\infty$ until the row's own sequence
        # comes. Such rows take off 0, so that $-\infty - (-\infty)$ is never computed.
        base = jnp.where(top_now == -jnp.inf, 0.0, top_now)
        shrink, powers = jnp.exp(top - base), jnp.exp(scores - base)
        summed = summed * shrink + powers.sum(-1, keepdims=True)
        out = out * shrink + jnp.einsum("nij,jnh->nih", powers, values.astype(wide))
        return (top_now, summed, out), None

    start = (
        jnp.full((heads, total, 1), -jnp.inf, wide),
        jnp.zeros((heads, total, 1), wide),
        jnp.zeros((heads, total, width), wide),
    )
    # What fills up the last block is nobody's: its keys are zeros, but its owner must not be 0, which is a sequence.
    blocks = in_blocks(k), in_blocks(v), in_blocks(owner, nobody), in_blocks(row)
    (_, summed, out), _ = scan(fold, start, blocks)
    # A row that nobody owns has seen no key: $0 / 1$. The divisor is replaced and not the quotient, so that the
    # gradient is 0 there, too.
    out = out / jnp.where(summed == 0, 1.0, summed)
    return jnp.moveaxis(out, 0, 1).astype(q.dtype)


def error_scale(cu_seqlens, total=None, q=None, k=None, v=None, block_size=None, causal=False):
    """How large the intermediate values are: (1 + max |score|) max |v|, over all scores, hidden or not. Numbers of
    sequences are exact."""
    if q is None:
        return 1.0
    scores = np.einsum("inh,jnh->nij", q, k) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
