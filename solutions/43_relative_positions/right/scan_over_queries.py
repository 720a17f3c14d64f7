"""Each query meets only the vectors that it needs, a slice of r, in a loop; buckets are looked up in a table."""

import math

import jax
import jax.numpy as jnp
from flax import nnx


def relative_bucket(offset, num_buckets, max_distance):
    n = num_buckets // 2
    exact = n // 2
    table = [*range(exact)] + [
        min(n - 1, exact + int(math.log(d / exact) / math.log(max_distance / exact) * (n - exact)))
        for d in range(exact, max_distance + 1)
    ]
    place = jnp.array(table, jnp.int32)[jnp.minimum(jnp.abs(offset), max_distance)]
    return place + n * (offset > 0)


class RelativeBias(nnx.Module):
    """Only the t_q + t_k - 1 offsets that there are get a bias; each row of the result is a slice of these."""

    def __init__(self, num_heads: int, num_buckets: int, max_distance: int, *, rngs: nnx.Rngs):
        self.num_heads, self.num_buckets, self.max_distance = num_heads, num_buckets, max_distance
        self.embedding = nnx.Param(jnp.zeros((num_buckets, num_heads)))

    def __call__(self, t_q, t_k):
        offsets = jnp.arange(1 - t_k, t_q)
        line = self.embedding[...].T[:, relative_bucket(offsets, self.num_buckets, self.max_distance)]
        return jnp.stack([line[:, t_q - 1 - i:t_q - 1 - i + t_k] for i in range(t_q)], axis=1)


def relative_scores(q, r):
    heads, length, _ = q.shape

    def one(_, step):
        i, query = step
        mine = jax.lax.dynamic_slice_in_dim(r, length - 1 - i, length)
        return None, jnp.einsum("nh,jnh->nj", query, mine)

    _, rows = jax.lax.scan(one, None, (jnp.arange(length), q.swapaxes(0, 1)))
    return rows.swapaxes(0, 1)
