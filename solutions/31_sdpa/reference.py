"""31 · The reference: Vaswani et al. 2017, equation 1."""

import jax
import jax.numpy as jnp
import numpy as np


def sdpa(q, k, v):
    # The scores $s_{ij} = q_i \cdot k_j / \sqrt{d_k}$, all pairs at once: `(T_q, d_k)` times `(d_k, T_k)` gives
    # `(T_q, T_k)`, one row for each query. The width is that of queries and keys, never $d_v$, and it divides before
    # the softmax, so that the scores have the same size at every width. The root is taken in the input's dtype on
    # purpose: `np.sqrt` would return a `float64` scalar, which lifts `bfloat16` scores to `float32`. A plain
    # `d_k ** 0.5` would do as well.
    scores = q @ k.T / jnp.sqrt(jnp.asarray(q.shape[-1], q.dtype))
    # The weights $p_{ij}$ and the average $o_i = \sum_j p_{ij} v_j$. The softmax runs over the last axis, the keys, so
    # that each row sums to 1; over the other axis the shape would fit too and the numbers would be wrong.
    # `jax.nn.softmax` takes off the maximum of the row first: with `jnp.exp` alone, a score above 88.7 gives inf, and
    # inf / inf is NaN. Then `(T_q, T_k)` times `(T_k, d_v)` gives `(T_q, d_v)`, one average for each query.
    return jax.nn.softmax(scores, axis=-1) @ v


def error_scale(q, k, v):
    """How large the intermediate values are: (1 + max |score|) max |v|, with any leading axes."""
    # Rounding errors grow with the largest score and the largest value. The tolerance is never less than `eps` times
    # this product.
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
