"""The skew on the flattened rows, padded behind; heads mapped by vmap. Buckets in base 2, chosen by select."""

import math

import einops
import jax
import jax.numpy as jnp
from flax import nnx


def relative_bucket(offset, num_buckets, max_distance):
    half, quarter = num_buckets // 2, num_buckets // 4
    d = jnp.abs(offset).astype(jnp.float32)
    steps = (jnp.log2(jnp.clip(d, 1)) - math.log2(quarter)) / (math.log2(max_distance) - math.log2(quarter))
    place = jnp.select([d < quarter, d < max_distance], [d, quarter + jnp.floor(steps * quarter)], half - 1)
    return (place + jnp.where(offset > 0, half, 0)).astype(jnp.int32)


class RelativeBias(nnx.Module):
    def __init__(self, num_heads: int, num_buckets: int, max_distance: int, *, rngs: nnx.Rngs):
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.embedding = nnx.Param(nnx.initializers.zeros_init()(rngs.params(), (num_buckets, num_heads)))

    def __call__(self, t_q, t_k):
        def one(i, j):
            return self.embedding[...][relative_bucket(j - i, self.num_buckets, self.max_distance)]

        pairs = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(jnp.arange(t_q) + t_k - t_q, jnp.arange(t_k))
        return einops.rearrange(pairs, "q k n -> n q k")


def relative_scores(q, r):
    t = q.shape[1]

    def of_one_head(q, r):
        flat = jnp.pad(q @ r.T, ((0, 0), (0, 1))).ravel()
        return flat[t - 1:-1].reshape(t, -1)[:, :t]

    return jax.vmap(of_one_head, in_axes=(0, 1))(q, r)
