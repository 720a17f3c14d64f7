"""The scores are picked with take_along_axis, after one product for all offsets; the buckets by a clipped logarithm."""

import jax.numpy as jnp
import numpy as np
from flax import nnx


def relative_bucket(offset, num_buckets, max_distance):
    num_buckets //= 2
    ret = (offset > 0).astype(jnp.int32) * num_buckets
    n = jnp.abs(offset)
    max_exact = num_buckets // 2
    is_small = n < max_exact
    val_if_large = max_exact + (
        jnp.log(n.astype(jnp.float32) / max_exact + np.finfo(np.float32).eps)
        / np.log(max_distance / max_exact) * (num_buckets - max_exact)
    ).astype(jnp.int32)
    val_if_large = jnp.minimum(val_if_large, num_buckets - 1)
    return ret + jnp.where(is_small, n, val_if_large)


class RelativeBias(nnx.Module):
    def __init__(self, num_heads: int, num_buckets: int, max_distance: int, *, rngs: nnx.Rngs):
        self.num_buckets, self.max_distance = num_buckets, max_distance
        self.embedding = nnx.Param(jnp.zeros((num_buckets, num_heads)))

    def __call__(self, t_q, t_k):
        context_position = jnp.arange(t_k)[-t_q:, None]
        memory_position = jnp.arange(t_k)[None, :]
        bucket = relative_bucket(memory_position - context_position, self.num_buckets, self.max_distance)
        return jnp.take(self.embedding[...], bucket, axis=0).transpose(2, 0, 1)


def relative_scores(q, r):
    length = q.shape[1]
    every = q @ r.transpose(1, 2, 0)
    column = jnp.arange(length)[None, :] - jnp.arange(length)[:, None] + length - 1
    return jnp.take_along_axis(every, column[None], axis=-1)
