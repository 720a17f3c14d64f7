"""A loop of JAX writes rows into the result; the bias is a sum over the buckets."""

import jax
import jax.numpy as jnp
from flax import nnx


def relative_bucket(offset, num_buckets, max_distance):
    def one(offset):
        half = num_buckets // 2
        distance, exact = jnp.abs(offset), half // 2
        place = jax.lax.cond(
            distance < exact,
            lambda d: d,
            lambda d: jnp.minimum(
                exact + (jnp.log(d / exact) / jnp.log(max_distance / exact) * exact).astype(d.dtype), half - 1
            ),
            distance,
        )
        return jax.lax.select(offset > 0, place + half, place)

    return jax.vmap(one)(offset.reshape(-1)).reshape(offset.shape)


class RelativeBias(nnx.Module):
    def __init__(self, num_heads: int, num_buckets: int, max_distance: int, *, rngs: nnx.Rngs):
        self.num_heads, self.num_buckets, self.max_distance = num_heads, num_buckets, max_distance
        self.embedding = nnx.Param(jnp.zeros((num_buckets, num_heads)))

    def __call__(self, t_q, t_k):
        offset = jnp.arange(t_k)[None, :] - jnp.arange(t_k)[-t_q:][:, None]
        bucket = relative_bucket(offset, self.num_buckets, self.max_distance)
        return sum(jnp.where(bucket == b, self.embedding[b][:, None, None], 0.0) for b in range(self.num_buckets))


def relative_scores(q, r):
    n, t, h = q.shape
    table = r.transpose(1, 2, 0)

    def body(i, out):
        row = jax.lax.dynamic_slice(q, (0, i, 0), (n, 1, h)) @ table
        return out.at[:, i].set(jax.lax.dynamic_slice(row, (0, 0, t - 1 - i), (n, 1, t))[:, 0])

    return jax.lax.fori_loop(0, t, body, jnp.zeros((n, t, t), q.dtype))
