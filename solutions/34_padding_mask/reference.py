"""34 · The reference: Vaswani et al. 2017, section 3.2, under a mask that may leave a query with no key."""

import jax.numpy as jnp
import numpy as np
from jax.lax import stop_gradient


def padding_mask(lengths, max_len):
    return jnp.arange(max_len) < lengths[:, None]


def bidirectional_attention(q, k, v, num_heads, mask=None):
    return _attention(q, k, v, num_heads, _over_keys(mask, k))


def causal_attention(q, k, v, num_heads, mask=None):
    causal = jnp.tri(q.shape[1], k.shape[1], dtype=bool)
    return _attention(q, k, v, num_heads, causal & _over_keys(mask, k))


def _over_keys(mask, k):
    """(B, T) -> (B, 1, 1, T): the same for every head and every query."""
    real = jnp.ones(k.shape[:2], bool) if mask is None else mask
    return real[:, None, None, :]


def _attention(q, k, v, num_heads, mask):
    def split(x):
        return x.reshape(*x.shape[:2], num_heads, -1).swapaxes(1, 2)

    q, k, v = split(q), split(k), split(v)
    scores = jnp.where(mask, q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5, -jnp.inf)
    # A row without a key has no maximum, and -inf - -inf is NaN; what is taken off cancels, so it needs no gradient.
    top = stop_gradient(scores.max(-1, keepdims=True))
    powers = jnp.exp(scores - jnp.where(mask.any(-1, keepdims=True), top, 0.0))
    total = powers.sum(-1, keepdims=True)
    heads = powers @ v / jnp.where(total == 0, 1.0, total)
    return heads.swapaxes(1, 2).reshape(heads.shape[0], heads.shape[2], -1)


def error_scale(q=None, k=None, v=None, num_heads=1, mask=None, **lengths):
    """How large the intermediate values are that count: (1 + max |score|) max |v| over the heads and the real keys."""
    if q is None:
        return 1.0
    real = np.ones(k.shape[:-1], bool) if mask is None else mask
    q, k, v = (np.swapaxes(x.reshape(*x.shape[:-1], num_heads, -1), -3, -2) for x in (q, k * real[..., None], v * real[..., None]))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
