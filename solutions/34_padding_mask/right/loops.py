"""Two Python loops, over the queries and the keys, with all sequences and heads at once in each step."""

import jax
import jax.numpy as jnp


def padding_mask(lengths, max_len):
    return jnp.stack([j < lengths for j in range(max_len)], axis=1)


def bidirectional_attention(q, k, v, num_heads, mask=None):
    return attend(q, k, v, num_heads, mask, lambda i: range(k.shape[1]))


def causal_attention(q, k, v, num_heads, mask=None):
    return attend(q, k, v, num_heads, mask, lambda i: range(i + 1))


def attend(q, k, v, num_heads, mask, seen):
    batch, length, width = q.shape
    q, k, v = (x.reshape(batch, length, num_heads, width // num_heads) for x in (q, k, v))
    mask = jnp.ones((batch, length), bool) if mask is None else mask
    rows = []
    for i in range(length):
        scores = jnp.stack([(q[:, i] * k[:, j]).sum(-1) / q.shape[-1] ** 0.5 for j in seen(i)], -1)
        weights = jax.nn.softmax(scores, where=mask[:, None, : scores.shape[-1]])
        rows.append(sum(weights[..., j, None] * v[:, j] for j in seen(i)))
    return jnp.stack(rows, 1).reshape(batch, length, width)
