"""58 · Coverage and location. The lesson stands in README.md; `python -m grader 58` gives the verdict."""

from flax import nnx
from jaxtyping import Array, Bool, Float, Float32


class CoverageAttention(nnx.Module):
    """Additive attention that is told how much weight each key has had so far (See et al. 2017, equation 11).

    Holds four layers and no other variables, each an `nnx.Linear` without bias: `query_proj` from `d_query` to
    `d_attention`, `key_proj` from `d_key` to `d_attention`, `coverage_proj` from 1 to `d_attention`, and `score` from
    `d_attention` to 1.
    """

    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        """Makes the four layers.

        Args:
            d_query: the width of a query.
            d_key: the width of a key, and of the context.
            d_attention: how many hidden units compare a query with a key; of any relation to the other two.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the four layers.
        raise NotImplementedError

    def __call__(
        self,
        query: Float[Array, "... d_query"],
        keys: Float[Array, "... T d_key"],
        coverage: Float32[Array, "... T"],
        mask: Bool[Array, "... T"] | None = None,
    ) -> tuple[Float[Array, "... d_key"], Float32[Array, "... T"], Float32[Array, "... T"]]:
        """One step: attends from one query to the keys of its sequence, and counts what each key gets.

        Args:
            query: one query for each sequence, with any number of leading dimensions, none included.
            keys: one key a row, with the same leading dimensions as the query.
            coverage: for each key the sum of its weights in all earlier steps, zeros at the first step; float32, also
                with bfloat16 keys, with the same leading dimensions.
            mask: True where a key may be attended to, with the same leading dimensions again; None: all may.

        Returns:
            The context, the weights and the new coverage. The weights are the softmax over the keys of
            `score(tanh(query_proj(query) + key_proj(keys) + coverage_proj(coverage)))`, where each key has its own
            number of the coverage, as it came. The context is the sum of the keys themselves, each times its weight,
            in the dtype of the keys. The new coverage is `coverage + weights`. Weights and coverage are float32. Where
            no key may be attended to, context and weights are zeros, and every gradient is finite. What stands at a
            masked key, any finite number, reaches neither; gradients are tried with ordinary numbers there, and
            coverage is 0 at masked keys.
        """
        # TODO: the attention of problem 55 with one term more inside the tanh, and then the count.
        raise NotImplementedError


def coverage_loss(weights: Float[Array, "T_out T_in"]) -> Float32[Array, ""]:
    """How much weight goes where earlier steps have put some (See et al. 2017, equation 12).

    Args:
        weights: one row over the `T_in` keys for each of `T_out` steps, in their order; none is negative.

    Returns:
        The mean over all `T_out` steps, the first included, of `sum_i min(weights[t, i], coverage[t, i])`, a float32
        scalar; `coverage[t, i]` is the sum of `weights[t', i]` for `t' < t`. The gradient goes through both sides of
        the minimum, so also through the coverage. Where they are equal any finite gradient will do.
    """
    # TODO: what every key has had before each step, the smaller of that and its weight, the sum and the mean.
    raise NotImplementedError


class LocationAttention(nnx.Module):
    """Additive attention that is told where the step before has looked (Chorowski et al. 2015, equations 8 and 9).

    Holds five layers and no other variables: `query_proj` from `d_query` to `d_attention`, `key_proj` from `d_key` to
    `d_attention`, `location_proj` from `num_filters` to `d_attention` and `score` from `d_attention` to 1, each an
    `nnx.Linear` without bias, and `location_conv`, an `nnx.Conv` without bias from 1 feature to `num_filters`, with
    `kernel_size=(kernel_size,)` and `padding="SAME"`.
    """

    def __init__(
        self, d_query: int, d_key: int, d_attention: int, num_filters: int, kernel_size: int, *, rngs: nnx.Rngs
    ):
        """Makes the five layers.

        Args:
            d_query: the width of a query.
            d_key: the width of a key, and of the context.
            d_attention: how many hidden units compare a query with a key; of any relation to the other two.
            num_filters: how many features the convolution gives for each key.
            kernel_size: how many keys a filter reads, an odd number; it may be larger than `T`.
            rngs: the random keys for the initial values; used here and not kept.
        """
        # TODO: the five layers.
        raise NotImplementedError

    def __call__(
        self,
        query: Float[Array, "... d_query"],
        keys: Float[Array, "... T d_key"],
        previous: Float32[Array, "... T"],
        mask: Bool[Array, "... T"] | None = None,
    ) -> tuple[Float[Array, "... d_key"], Float32[Array, "... T"]]:
        """One step: attends from one query to the keys of its sequence, with the weights of the step before in view.

        Args:
            query: one query for each sequence, with any number of leading dimensions, none included.
            keys: one key a row, with the same leading dimensions as the query.
            previous: the weights of the step before; float32, also with bfloat16 keys, with the same leading
                dimensions.
            mask: True where a key may be attended to, with the same leading dimensions again; None: all may.

        Returns:
            The context and the weights. The weights are the softmax over the keys of
            `score(tanh(query_proj(query) + key_proj(keys) + location_proj(location_conv(previous))))`, where the
            convolution runs over the keys; they are float32. The context is the sum of the keys themselves, each times
            its weight, in the dtype of the keys. Where no key may be attended to, both are zeros, and every gradient
            is finite. What stands at a masked key, any finite number, reaches neither; gradients are tried with
            ordinary numbers there, and `previous` is 0 at masked keys.
        """
        # TODO: the attention of problem 55 with one term more inside the tanh.
        raise NotImplementedError
