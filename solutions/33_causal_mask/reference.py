"""33 · The reference: Vaswani et al. 2017, section 3.2.3, with the mask aligned at the end."""

import jax
import jax.numpy as jnp
import numpy as np


def causal_mask(t_q, t_k):
    return jnp.arange(t_k) <= jnp.arange(t_q)[:, None] + (t_k - t_q)


def causal_sdpa(q, k, v):
    scores = q @ k.T / jnp.sqrt(jnp.asarray(q.shape[-1], q.dtype))
    mask = causal_mask(q.shape[0], k.shape[0])
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1) @ v


def error_scale(q=None, k=None, v=None, **lengths):
    """How large the intermediate values are: (1 + max |score|) max |v|, with any leading axes. A mask has none."""
    if q is None:
        return 1.0
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
