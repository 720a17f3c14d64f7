"""A Python loop over sequences and heads, with -inf added where a key is hidden, and padded keys and values wiped before anything is computed with them."""

import jax.numpy as jnp
from jax.nn import softmax


def padding_mask(lengths, max_len):
    ends = jnp.zeros((len(lengths), max_len + 1), jnp.int32).at[jnp.arange(len(lengths)), lengths].set(1)
    return jnp.cumsum(ends, axis=1)[:, :max_len] == 0


def bidirectional_attention(q, k, v, num_heads, mask=None):
    return _loop(q, k, v, num_heads, mask, jnp.zeros((q.shape[1], q.shape[1])))


def causal_attention(q, k, v, num_heads, mask=None):
    return _loop(q, k, v, num_heads, mask, jnp.triu(jnp.full((q.shape[1], q.shape[1]), -jnp.inf), 1))


def _loop(q, k, v, num_heads, mask, order):
    if mask is None:
        mask = jnp.ones(q.shape[:2], bool)
    width, sequences = q.shape[2] // num_heads, []
    for i in range(len(q)):
        real = mask[i]
        key, value = (jnp.where(real[:, None], x[i], 0.0) for x in (k, v))
        hide = order + jnp.where(real, 0.0, -jnp.inf)
        some = (hide == 0).any(axis=1, keepdims=True)
        heads = []
        for n in range(num_heads):
            own = slice(n * width, (n + 1) * width)
            scores = q[i, :, own] @ key[:, own].T / width ** 0.5 + jnp.where(some, hide, 0.0)
            heads.append(softmax(scores) @ value[:, own] * some)
        sequences.append(jnp.concatenate(heads, axis=1))
    return jnp.stack(sequences)
