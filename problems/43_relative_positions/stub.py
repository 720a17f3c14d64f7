"""43 · Relative positions. The lesson stands in README.md; `python -m grader 43` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Float, Int


def relative_bucket(offset: Int[Array, "..."], num_buckets: int, max_distance: int) -> Int[Array, "..."]:
    """The number of the range, or bucket, that an offset falls into (Raffel et al. 2020, section 2.1).

    Half of the buckets, `n = num_buckets / 2`, are for offsets of 0 and below, and come first; the other half is for
    offsets above 0. Within a half, a distance `|offset| < n / 2` is its own bucket. A longer distance `d` has
    `n/2 + floor(log(d / (n/2)) / log(max_distance / (n/2)) * (n - n/2))`, and at most `n - 1`.

    Args:
        offset: the key's position minus the query's, in tokens, int32 of any shape.
        num_buckets: how many buckets there are, a multiple of 4.
        max_distance: from this distance on all share a half's last bucket; more than `num_buckets / 4`.

    Returns:
        The bucket of each offset, from 0 to `num_buckets - 1`, int32, in the shape of `offset`.
    """
    # TODO: the place of the distance within its half, near or far; then the half.
    raise NotImplementedError


class RelativeBias(nnx.Module):
    """A number for each head and each bucket of offsets, to be added to the scores of attention (Raffel et al. 2020,
    section 2.1).

    Holds one variable: `embedding`, an `nnx.Param` of shape `(num_buckets, num_heads)`, zeros at first.
    """

    def __init__(self, num_heads: int, num_buckets: int, max_distance: int, *, rngs: nnx.Rngs):
        """Makes the parameter.

        Args:
            num_heads: how many heads the scores have.
            num_buckets: how many buckets there are, a multiple of 4.
            max_distance: from this distance on all share a half's last bucket; more than `num_buckets / 4`.
            rngs: not needed here, and taken as every module takes it.
        """
        # TODO: the parameter, and what the call has to know.
        raise NotImplementedError

    def __call__(self, t_q: int, t_k: int) -> Float[Array, "num_heads t_q t_k"]:
        """The bias of every query and key.

        Args:
            t_q: how many queries there are. They are the last `t_q` of the `t_k` positions.
            t_k: how many keys there are, `t_q` or more.

        Returns:
            Entry `[h, i, j]` is what head `h` adds to the score of query `i` and key `j`.
        """
        # TODO: the offsets, their buckets, the numbers of the buckets, the heads in front.
        raise NotImplementedError


def relative_scores(q: Float[Array, "N T H"], r: Float[Array, "R N H"]) -> Float[Array, "N T T"]:
    """The products of each query with the vector of each key's offset (Shaw et al. 2018, equation 5; Dai et al. 2019,
    section 3.3, term b), without a scale.

    Args:
        q: `T` queries for each of `N` heads.
        r: a vector for each offset and head, `2T - 1` rows: row `m` belongs to the offset `m - (T - 1)`, so the
            farthest earlier key comes first, offset 0 stands in row `T - 1`, and the farthest later key comes last.

    Returns:
        Entry `[n, i, j]` is `q[n, i] · r[j - i + T - 1, n]`, in the dtype of the inputs. Nothing of `N * T * T * H`
        elements or more exists on the way, and products of matrices take at most `4 * N * T * T * H` multiplications.
    """
    # TODO: each query with every row of `r`, in one product; then move each row to its place.
    raise NotImplementedError
