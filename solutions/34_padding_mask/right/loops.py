"""Two Python loops, over the queries and the keys, with all sequences and heads at once in each step."""

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
        scores = [jnp.where(mask[:, j, None], (q[:, i] * k[:, j]).sum(-1) / q.shape[-1] ** 0.5, -jnp.inf) for j in seen(i)]
        largest = scores[0]
        for score in scores[1:]:
            largest = jnp.maximum(largest, score)
        largest = jnp.where(largest == -jnp.inf, 0.0, largest)
        powers = [jnp.exp(score - largest) for score in scores]
        total = sum(powers)
        row = sum(power[..., None] * jnp.where(mask[:, j, None, None], v[:, j], 0.0) for j, power in zip(seen(i), powers))
        rows.append(row / jnp.where(total == 0, 1.0, total)[..., None])
    return jnp.stack(rows, 1).reshape(batch, length, width)
