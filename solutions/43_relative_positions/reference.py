"""43 · The reference: the buckets and the bias of Raffel et al. 2020, and the skew of Huang et al. 2019 for offsets of
both signs. One function or method for each step, so that a mistake can change one of them."""

import math

import jax.numpy as jnp
import numpy as np
from flax import nnx


def relative_bucket(offset, num_buckets, max_distance):
    # Half of the buckets for each direction. All of these are Python numbers, part of the program.
    n = num_buckets // 2
    # The bucket is a place within the half, by the distance alone, and then the half. Key minus query: an offset above
    # 0 is a later key, and later keys have the second half. Offset 0, the token itself, stays in the first, so bucket
    # `n` itself is never used.
    return place_in_half(jnp.abs(offset), n, max_distance) + jnp.where(offset > 0, n, 0)


def place_in_half(distance, n, max_distance):
    """int32 (...) -> int32 (...), from 0 to n - 1"""
    exact = n // 2
    # Near distances have a place each, and it is the distance. The far formula is computed for them too and not chosen:
    # it has no gradient that could spoil anything, as all of this is about integers.
    return jnp.where(distance < exact, distance, far_place(distance, n, exact, max_distance))


def far_place(distance, n, exact, max_distance):
    # How far the distance has come on the way from `exact` to `max_distance`, on a logarithmic scale: 0 at the one, 1
    # at the other. Each range is so many times as long as the one before, by the same factor. A quotient of integers is
    # floating; `maximum` keeps the logarithm away from 0, whose $-\infty$ has no integer.
    way = jnp.log(jnp.maximum(distance, exact) / exact) / math.log(max_distance / exact)
    # The places that are left after the exact ones are shared out along that way. floor and the cast make an integer:
    # the cast alone would do, since nothing here is negative. From `max_distance` on everything has the last place;
    # without the minimum far earlier keys would run over into the half of the later ones.
    return jnp.minimum(exact + jnp.floor(way * (n - exact)).astype(jnp.int32), n - 1)


class RelativeBias(nnx.Module):
    def __init__(self, num_heads, num_buckets, max_distance, *, rngs):
        # A row for each bucket and a column for each head. It starts at zeros: at first no position is preferred, and
        # softmax sees the products of queries and keys alone. `rngs` is not needed, as nothing is random here.
        self.embedding = nnx.Param(jnp.zeros((num_buckets, num_heads)))
        # Python numbers, which `nnx.split` does not take for state.
        self.num_buckets, self.max_distance = num_buckets, max_distance

    def __call__(self, t_q, t_k):
        # Which bucket each pair falls into, `(t_q, t_k)`, the same for all heads; then a row of the parameter for each
        # pair, `(t_q, t_k, N)`. The gradient of this lookup adds up what comes back for all pairs of a bucket.
        return self.heads_first(self.embedding[...][self.buckets(t_q, t_k)])

    def buckets(self, t_q, t_k):
        return relative_bucket(self.offsets(t_q, t_k), self.num_buckets, self.max_distance)

    def offsets(self, t_q, t_k):
        # Key minus query: a row of key positions minus a column of query positions.
        return jnp.arange(t_k) - self.query_positions(t_q, t_k)[:, None]

    def query_positions(self, t_q, t_k):
        # The queries are the last positions, as in a decoder with a cache (problem 36), where one query meets all keys
        # so far. For `t_q = t_k` this is `arange(t_k)`.
        return jnp.arange(t_k - t_q, t_k)

    def heads_first(self, bias):
        # `(t_q, t_k, N)` to `(N, t_q, t_k)`, the layout of scores. It moves an axis; a reshape would only cut the same
        # numbers otherwise.
        return jnp.moveaxis(bias, -1, 0)


def relative_scores(q, r):
    # Two steps: every query with the vector of every offset that there is; then each row to its place. The skew has no
    # arithmetic, so the products are all that this costs.
    return skew(with_every_offset(q, r))


def with_every_offset(q, r):
    """q (N, T, H), r (2T - 1, N, H) -> (N, T, 2T - 1)"""
    # $x_{nim} = q_{ni} \cdot r_{mn}$. The head is a batch axis, so this is a product of matrices for each head,
    # $N T (2T - 1) H$ multiplications. About half of what it gives is used: a vector for each pair would need half the
    # multiplications and $H$ times the memory.
    return jnp.einsum("nth,mnh->ntm", q, r)


def skew(x):
    """(N, T, 2T - 1) -> (N, T, T), entry [n, i, j] is x[n, i, j - i + T - 1]"""
    heads, length, offsets = x.shape
    # One column of zeros in front makes rows of $2T$. One behind the other in memory, entry $x_{im}$ now stands at
    # $2T i + m + 1$.
    rows = jnp.pad(x, ((0, 0), (0, 0), (1, 0)))
    # The first $T$ numbers go; a reshape to rows of $T$ and back is the way to say so. What is left has the place
    # $2T i + m + 1 - T$, which for $m = j - i + T - 1$ is $(2T - 1) i + j$: row $i$ and column $j$ of an array that is
    # $2T - 1$ wide. Rows that are one shorter have moved by one against each other.
    shifted = rows.reshape(heads, 2 * length, length)[:, 1:].reshape(heads, length, offsets)
    # Columns from $T$ on hold what no pair needs: offsets of other rows, and the zeros.
    return shifted[:, :, :length]


def error_scale(q=None, r=None, **_):
    """How large the sum of the absolute terms of a product can be; integers and what is looked up are exact."""
    return 1.0 if q is None else np.abs(q).max() * np.abs(r).max() * q.shape[-1]
