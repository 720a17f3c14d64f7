"""33 · The reference: Vaswani et al. 2017, section 3.2.3, with the mask aligned at the end."""

import jax
import jax.numpy as jnp
import numpy as np


def causal_mask(t_q, t_k):
    # $j \le i + (T_k - T_q)$ in one comparison: keys as a row, queries as a column, and the two broadcast to
    # `(T_q, T_k)`, boolean from the start. The offset aligns the mask at the end, so that the last query sees every
    # key; without it the diagonal starts in the upper left corner, and no square test notices. `<=` and not `<`: a
    # token sees itself. For $T_q > T_k$ the offset is negative and the first rows are all False, as the lesson asks.
    return jnp.arange(t_k) <= jnp.arange(t_q)[:, None] + (t_k - t_q)


def causal_sdpa(q, k, v):
    # The scores of problem 31, `(T_q, T_k)`, hidden ones included. The lengths are shapes, that is, Python integers
    # also under `jit`, so the mask can be made here and needs no argument.
    scores = q @ k.T / jnp.sqrt(jnp.asarray(q.shape[-1], q.dtype))
    mask = causal_mask(q.shape[0], k.shape[0])
    # The hidden scores are replaced before the softmax. Nothing of them is left, so the maximum and the sum of a row
    # contain the visible keys only, and a hidden weight is $e^{-\infty} = 0$ exactly: `0.0 * v` changes no bit of the
    # output. A finite number *added* to the score leaves the score in it; a mask on the *weights* comes after the
    # hidden keys have had their share. The softmax never meets a row of -inf alone, since with $T_q \le T_k$ every
    # query sees key 0.
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1) @ v


def error_scale(q=None, k=None, v=None, **lengths):
    """How large the intermediate values are: (1 + max |score|) max |v|, with any leading axes. A mask has none."""
    # A mask is True or False and has no rounding error. For the attention the scale counts every score, hidden ones
    # included.
    if q is None:
        return 1.0
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
