"""39 · The reference: Rabe and Staats 2021, with the online softmax of Milakov and Gimelshein 2018, one loop over
blocks of keys."""

import jax.numpy as jnp
import numpy as np
from jax.lax import scan, stop_gradient


def blockwise_attention(q, k, v, block_size, causal=False):
    # Four sizes, and $T_q \ne T_k$ and $d_k \ne d_v$ are ordinary. `wide` is the dtype of everything that is summed:
    # float32, also for bfloat16 inputs. (It is float64 when the inputs are: the answer key is computed in it too.)
    (t_q, d_k), (t_k, d_v) = q.shape, v.shape
    wide = jnp.promote_types(q.dtype, jnp.float32)
    # A block longer than the sequence would be mostly padding, so it is cut to one block of the sequence's length. The
    # number of blocks is rounded up; `t_k // block_size` would drop the last keys. All of these are Python numbers, so
    # the loop below has a fixed length and a reverse-mode gradient.
    block_size = min(block_size, t_k)
    count = -(-t_k // block_size)

    def in_blocks(rows):
        # `(T_k, d)` becomes `(count, b, d)`: a scan walks along the first axis. The last block is filled up with zeros.
        # To cut blocks with `dynamic_slice` instead would shift the last one back without a word, and some keys would
        # count twice.
        padded = jnp.pad(rows, ((0, count * block_size - t_k), (0, 0)))
        return padded.reshape(count, block_size, rows.shape[1])

    # The place of the last key that each query sees, `(T_q, 1)`. Under a causal mask query $i$ stands at $i + T_k -
    # T_q$, as in problem 33; for the first of more queries than keys that is negative, and they see nothing. Without
    # the mask it is the last real key. So one comparison hides later keys and padding alike, and no array of size $T_q
    # \times T_k$ is ever made.
    last = jnp.arange(t_q)[:, None] + (t_k - t_q) if causal else jnp.full((t_q, 1), t_k - 1)

    def fold(carry, block):
        # One step of the loop: what the keys of one block do to $m$, $\ell$ and $o$, here `top`, `total` and `out`, of
        # shapes `(T_q, 1)`, `(T_q, 1)` and `(T_q, d_v)`. They keep shape and dtype, as a scan asks.
        top, total, out = carry
        start, keys, values = block
        # Scores of the block, `(T_q, b)`, the largest thing that a step makes. The product of two bfloat16 arrays is
        # bfloat16 unless one asks for more, so it is asked for.
        scores = jnp.dot(q, keys.T, preferred_element_type=wide) / d_k**0.5
        # Key $j$ of this block stands at `start + j`, not at `j`. What is hidden gets $-\infty$ and so the power 0. A
        # large negative number would do as long as a row sees some key; a row that never sees one would return the mean
        # of what it must not see.
        scores = jnp.where(start + jnp.arange(block_size) <= last, scores, -jnp.inf)
        # $m' = \max(m, \max_{j \in B} s_j)$, and never the maximum of the block alone: that can fall, and then the
        # factor below overflows. Whatever is taken off cancels in the end, so it needs no gradient. `top_now` is
        # stopped once, before both exponentials use it, and the next block gets the stopped one as its `top`.
        top_now = stop_gradient(jnp.maximum(top, scores.max(-1, keepdims=True)))
        # A row that has seen no key yet has the maximum $-\infty$, and $-\infty - (-\infty)$ is NaN. Such a row takes
        # off 0 instead, and both exponentials are 0.
        base = jnp.where(top_now == -jnp.inf, 0.0, top_now)
        # The factor $e^{m - m'}$, one for each query, and the new powers $e^{s_j - m'}$. In the first block that has a
        # visible key, $m = -\infty$ and the factor is 0, which is right, for nothing was summed before.
        shrink, powers = jnp.exp(top - base), jnp.exp(scores - base)
        # $\ell'$ and $o'$ of the lesson. One factor corrects all old keys at once, though they are long forgotten, and
        # it has to correct both sums: they are relative to the same maximum. There is no division here. It waits for
        # the end.
        total = total * shrink + powers.sum(-1, keepdims=True)
        out = out * shrink + powers @ values.astype(wide)
        # The carry, and nothing to stack: a result per block would be the array that we avoid.
        return (top_now, total, out), None

    # Before the first block $m = -\infty$, $\ell = 0$, $o = 0$. They are float32 from the start, since a running sum of
    # ones in bfloat16 stops at 256.
    start = (jnp.full((t_q, 1), -jnp.inf, wide), jnp.zeros((t_q, 1), wide), jnp.zeros((t_q, d_v), wide))
    # The scan hands each step the place where its block starts, with the block of keys and of values. The step is
    # traced once, whatever the number of blocks; a Python loop would be unrolled and make a program that grows with the
    # sequence.
    (_, total, out), _ = scan(fold, start, (jnp.arange(count) * block_size, in_blocks(k), in_blocks(v)))
    # $o / \ell$. A query without any key has $0 / 0$. It is the divisor that is replaced: `jnp.where` around the
    # quotient would repair the output, and the gradient would still be NaN. The cast to the dtype of the input comes
    # last.
    return (out / jnp.where(total == 0, 1.0, total)).astype(q.dtype)


def error_scale(q, k, v, block_size, causal=False):
    """How large the intermediate values are: (1 + max |score|) max |v|, over all scores, hidden or not."""
    # What decides the tolerance, from all scores at once: an answer key has memory enough.
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
