"""Python loops: over buckets, over rows, over queries."""

import jax.numpy as jnp
from flax import nnx


def relative_bucket(offset, num_buckets, max_distance):
    n = num_buckets // 2
    far, bucket = jnp.abs(offset), jnp.zeros(offset.shape, jnp.int32)
    for place in range(1, n):
        start = place if place <= n // 2 else n / 2 * (max_distance / (n / 2)) ** ((place - n / 2) / (n - n / 2))
        bucket = jnp.where(far >= start, place, bucket)
    return jnp.where(offset > 0, bucket + n, bucket)


class RelativeBias(nnx.Module):
    def __init__(self, num_heads: int, num_buckets: int, max_distance: int, *, rngs: nnx.Rngs):
        self.num_heads, self.num_buckets, self.max_distance = num_heads, num_buckets, max_distance
        self.embedding = nnx.Param(jnp.zeros((num_buckets, num_heads)))

    def __call__(self, t_q, t_k):
        heads = []
        for n in range(self.num_heads):
            rows = []
            for i in range(t_k - t_q, t_k):
                offset = jnp.arange(-i, t_k - i)
                rows.append(self.embedding[:, n][relative_bucket(offset, self.num_buckets, self.max_distance)])
            heads.append(jnp.stack(rows))
        return jnp.stack(heads)


def relative_scores(q, r):
    heads, length, _ = q.shape
    return jnp.stack([
        jnp.stack([r[length - 1 - i:2 * length - 1 - i, n] @ q[n, i] for i in range(length)])
        for n in range(heads)
    ])
