"""31 · The reference: Vaswani et al. 2017, equation 1."""

import jax
import jax.numpy as jnp
import numpy as np


def sdpa(q, k, v):
    scores = q @ k.T / jnp.sqrt(jnp.asarray(q.shape[-1], q.dtype))
    return jax.nn.softmax(scores, axis=-1) @ v


def error_scale(q, k, v):
    """How large the intermediate values are: (1 + max |score|) max |v|, with any leading axes."""
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
