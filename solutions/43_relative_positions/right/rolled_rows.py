"""Each row is rolled to its place under vmap; buckets are counted by how many thresholds a distance has reached."""

import jax
import jax.numpy as jnp
from flax import nnx


def thresholds(num_buckets, max_distance):
    """The distance at which each bucket of a half begins, but for the first."""
    exact = num_buckets // 4
    ranges = [exact * (max_distance / exact) ** (step / exact) for step in range(1, exact)]
    return jnp.array([*range(1, exact + 1), *ranges], jnp.float32)


def relative_bucket(offset, num_buckets, max_distance):
    reached = jnp.abs(offset)[..., None] >= thresholds(num_buckets, max_distance)
    return jnp.where(offset > 0, num_buckets // 2, 0) + reached.sum(-1, dtype=jnp.int32)


class RelativeBias(nnx.Module):
    def __init__(self, num_heads: int, num_buckets: int, max_distance: int, *, rngs: nnx.Rngs):
        self.num_buckets, self.max_distance = num_buckets, max_distance
        self.embedding = nnx.Param(jnp.zeros((num_buckets, num_heads), jnp.float32))

    def __call__(self, t_q, t_k):
        queries, keys = jnp.mgrid[t_k - t_q:t_k, 0:t_k]
        one_hot = jax.nn.one_hot(relative_bucket(keys - queries, self.num_buckets, self.max_distance), self.num_buckets)
        return jnp.einsum("qkb,bn->nqk", one_hot, self.embedding[...])


def relative_scores(q, r):
    length = q.shape[1]
    x = jnp.einsum("nih,mnh->nim", q, r)
    roll = jax.vmap(jax.vmap(lambda row, i: jnp.roll(row, i + 1 - length)), (0, None))
    return roll(x, jnp.arange(length))[..., :length]
