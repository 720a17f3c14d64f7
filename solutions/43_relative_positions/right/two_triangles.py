"""Earlier and later keys apart, each half skewed as a causal decoder does it, and chosen by a mask."""

import jax
import jax.numpy as jnp
from flax import nnx


@jax.vmap
def causal_skew(x):
    """(T, T), columns from offset -(T - 1) to 0 -> (T, T), right where j <= i."""
    return jnp.concatenate([jnp.zeros_like(x[:, :1]), x], axis=1).reshape(len(x) + 1, -1)[1:]


def relative_bucket(offset, num_buckets, max_distance):
    each = num_buckets // 2

    def place(distance):
        far = each / 2 + jnp.log(distance / (each / 2)) / jnp.log(max_distance / (each / 2)) * (each / 2)
        return jnp.where(2 * distance < each, distance, jnp.minimum(jnp.floor(far), each - 1)).astype(jnp.int32)

    return jnp.where(offset <= 0, place(-offset), each + place(offset))


class RelativeBias(nnx.Module):
    def __init__(self, num_heads: int, num_buckets: int, max_distance: int, *, rngs: nnx.Rngs):
        self.sizes = (num_buckets, max_distance)
        self.embedding = nnx.Param(jnp.zeros((num_buckets, num_heads)))

    def __call__(self, t_q, t_k):
        whole = jnp.arange(t_k)
        square = relative_bucket(whole[None] - whole[:, None], *self.sizes)
        return jnp.stack([column[square[t_k - t_q:]] for column in self.embedding[...].T])


def relative_scores(q, r):
    t = q.shape[1]
    earlier = causal_skew(jnp.einsum("nih,mnh->nim", q, r[:t]))
    later = causal_skew(jnp.einsum("nih,mnh->nim", q[:, ::-1], r[t - 1:][::-1]))[:, ::-1, ::-1]
    return jnp.where(jnp.tri(t, dtype=bool), earlier, later)
