"""49 · The reference: FlashAttention's two passes (Dao et al. 2022, algorithms 2 and 4), each one loop over blocks of
keys."""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def in_blocks(rows, size):
    # `(T_k, d)` becomes `(count, b, d)`, for a scan along the first axis; the last block is filled up with zeros.
    padded = jnp.pad(rows, ((0, -len(rows) % size), (0, 0)))
    return padded.reshape(-1, size, rows.shape[1])


def blocks_of(k, v, size):
    # What a step of either loop gets: the place at which its block starts, the keys, the values.
    keys, values = in_blocks(k, size), in_blocks(v, size)
    return jnp.arange(len(keys)) * size, keys, values


def scores_of(q, keys, start, t_k, causal):
    # The scaled scores of one block, `(T_q, b)`, with $-\infty$ where nothing is seen. Both passes call this one
    # function, so the weights that come back are those that went: the same scale, the same mask, the same padding.
    # (Backward it is tempting to leave the padding alone, since keys of zeros add nothing to $dQ$. But their weight is
    # $e^{0 - L_i}$, which is inf where all scores are far below 0, and inf times 0 is NaN.)
    wide = jnp.promote_types(q.dtype, jnp.float32)
    scores = jnp.dot(q, keys.T, preferred_element_type=wide) / q.shape[1] ** 0.5
    places, t_q = start + jnp.arange(len(keys)), len(q)
    last = jnp.arange(t_q)[:, None] + (t_k - t_q) if causal else jnp.full((t_q, 1), t_k - 1)
    return jnp.where(places <= last, scores, -jnp.inf)


def flash_forward(q, k, v, block_size, causal=False):
    # The loop of problem 39. A block longer than the sequence is cut to it.
    (t_q, t_k), size = (len(q), len(k)), min(block_size, len(k))
    wide = jnp.promote_types(q.dtype, jnp.float32)

    def fold(carry, block):
        top, total, out = carry
        start, keys, values = block
        scores = scores_of(q, keys, start, t_k, causal)
        # No gradient ever goes through this loop, so nothing has to be stopped here.
        top_now = jnp.maximum(top, scores.max(-1, keepdims=True))
        # A row that has seen no key takes off 0, since $-\infty - (-\infty)$ is NaN.
        base = jnp.where(top_now == -jnp.inf, 0.0, top_now)
        shrink, powers = jnp.exp(top - base), jnp.exp(scores - base)
        total = total * shrink + powers.sum(-1, keepdims=True)
        return (top_now, total, out * shrink + powers @ values.astype(wide)), None

    start = (jnp.full((t_q, 1), -jnp.inf, wide), jnp.zeros((t_q, 1), wide), jnp.zeros((t_q, v.shape[1]), wide))
    (top, total, out), _ = jax.lax.scan(fold, start, blocks_of(k, v, size))
    # $L_i = m_i + \ln \ell_i$: the sum is relative to the maximum, which therefore has to come back. For a row without
    # keys that is $-\infty + \ln 0 = -\infty$, as it should be, and not NaN.
    logarithm = (top + jnp.log(total))[:, 0]
    return (out / jnp.where(total == 0, 1.0, total)).astype(q.dtype), logarithm


# `block_size` and `causal` are Python values and have no gradient. The backward function gets them first.
@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def flash_attention(q, k, v, block_size, causal=False):
    return flash_forward(q, k, v, block_size, causal)[0]


def forward(q, k, v, block_size, causal):
    # What is kept between the passes: the inputs, the output and a number a row. The output comes out anyway, and the
    # inputs are there, so the logarithm is all that attention adds to a model's memory.
    out, logarithm = flash_forward(q, k, v, block_size, causal)
    return out, (q, k, v, out, logarithm)


def backward(block_size, causal, kept, grad_out):
    q, k, v, out, logarithm = kept
    t_k, size = len(k), min(block_size, len(k))
    wide = jnp.promote_types(q.dtype, jnp.float32)
    grad_out = grad_out.astype(wide)
    # $D_i = dO_i \cdot O_i$, one number a row. It stands for $\sum_j P_{ij} \, dP_{ij}$, a sum over all keys, which no
    # block could know while the others are still to come.
    row_sums = (grad_out * out.astype(wide)).sum(-1, keepdims=True)
    # A row without keys has the logarithm $-\infty$. Taking off 0 instead leaves its weights at $e^{-\infty} = 0$, and
    # with them everything that the row gives to a gradient.
    base = jnp.where(logarithm == -jnp.inf, 0.0, logarithm)[:, None]

    def step(grad_q, block):
        start, keys, values = block
        # The weights of this block once more: $P_{ij} = e^{s_{ij} - L_i}$, at once as they are at the end, with no
        # running maximum, no sum and nothing to rescale.
        weights = jnp.exp(scores_of(q, keys, start, t_k, causal) - base)
        # $dP = dO \, V^\top$ for this block, and $dS = P \circ (dP - D)$, with the scale of the scores on it, so that
        # $dQ$ and $dK$ both have it.
        grad_weights = grad_out @ values.astype(wide).T
        grad_scores = weights * (grad_weights - row_sums) / q.shape[1] ** 0.5
        # The rows of $dK$ and $dV$ belong to this block alone, and are handed out: stacked they are as long as the
        # keys. A row of $dQ$ gets something from every block, so it is carried, in float32.
        grad_k, grad_v = grad_scores.T @ q.astype(wide), weights.T @ grad_out
        return grad_q + grad_scores @ keys.astype(wide), (grad_k, grad_v)

    grad_q, by_block = jax.lax.scan(step, jnp.zeros(q.shape, wide), blocks_of(k, v, size))
    # The blocks are joined, and the rows of the padding cut off. Each gradient has the dtype of its input.
    grad_k, grad_v = (rows.reshape(-1, rows.shape[-1])[:t_k] for rows in by_block)
    return grad_q.astype(q.dtype), grad_k.astype(k.dtype), grad_v.astype(v.dtype)


flash_attention.defvjp(forward, backward)


def error_scale(q, k, v, block_size, causal=False, *, eps):
    """How large the intermediate values are: (1 + max |score|) max |v|, over all scores, hidden or not, times what a
    gradient for the scores is multiplied by, where that is more than 1. Of an error of half precision, which scores
    never have, they are a smaller part."""
    # What decides the tolerance, from all scores at once: an answer key has memory enough. Weights that are computed
    # again from scores that were rounded otherwise sum to 1 but for a rounding of the scores, and what is left over is
    # multiplied by what all keys of a row have in common.
    root = np.sqrt(q.shape[-1])
    scores = np.abs(q @ np.swapaxes(k, -1, -2) / root).max() * min(1.0, np.finfo(np.float32).eps / eps)
    return (1 + scores) * np.abs(v).max() * max(1.0, np.abs(q).max() / root, np.abs(k).max() / root)
