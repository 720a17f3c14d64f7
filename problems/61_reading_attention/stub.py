"""61 · Reading attention. The lesson stands in README.md; `python -m grader 61` gives the verdict."""

from jaxtyping import Array, Float, Float32, Int32


def attention_rollout(weights: Float[Array, "L N T T"]) -> Float32[Array, "T T"]:
    """How much of each input is in each output, over all layers (Abnar & Zuidema 2020, section 3).

    Args:
        weights: the weights of `L` layers, from the first to the last, each with `N` heads: queries on the last axis
            but one, keys on the last. They need be neither causal nor symmetric, and a row may sum to any number.

    Returns:
        The product of the layers' matrices, the last layer on the left, in float32. The matrix of a layer is half the
        mean over its heads plus half the identity; rows are not normalised again. Entry `[i, j]` says how much of
        input `j` is in output `i` of the last layer.
    """
    # TODO: one matrix for each layer, and their product in the right order.
    raise NotImplementedError


def mean_distance(weights: Float[Array, "N T T"]) -> Float32[Array, "N"]:
    """How far back, or ahead, each head looks (Vig & Belinkov 2019).

    Args:
        weights: the weights of `N` heads, of `T` queries over `T` keys. They need not be causal, and a row may sum to
            any number.

    Returns:
        For each head the mean, over all queries `i`, of `sum_j weights[i, j] |i - j|`, in float32.
    """
    # TODO: how far each key is from each query, weighted, and the mean over the queries.
    raise NotImplementedError


def induction_score(weights: Float[Array, "N T T"], tokens: Int32[Array, "T"]) -> Float32[Array, "N"]:
    """How much each head looks at what came after earlier occurrences of its token (Olsson et al. 2022).

    Args:
        weights: the weights of `N` heads, of `T` queries over `T` keys. They need not be causal, and a row may sum to
            any number.
        tokens: the sequence that the heads read, any int32 numbers, also negative ones.

    Returns:
        For each head, in float32: the mean, over all queries `i` whose token occurred before, of the total weight on
        the positions right behind each earlier occurrence, which are the `j` with `1 <= j <= i` and
        `tokens[j - 1] == tokens[i]`. Where the token right before is the same, `j = i` is among them. Where no token
        occurred before, 0, with a gradient of 0.
    """
    # TODO: which keys each query should look at, how much weight they get, and the mean over the queries that have one.
    raise NotImplementedError
