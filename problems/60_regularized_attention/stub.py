"""60 · Attention, regularised. The lesson stands in README.md; `python -m grader 60` gives the verdict."""

from jaxtyping import Array, Float, Float32, Key


def attention_dropout(key: Key[Array, ""], weights: Float[Array, "... T"], rate: float) -> Float[Array, "... T"]:
    """Drops single weights at random, and scales up those that stay (Srivastava et al. 2014, sections 4 and 10).

    Args:
        key: a typed key. The same key drops the same weights.
        weights: weights over `T` keys, with any number of leading dimensions (batch, heads, queries), none included.
        rate: how likely each weight is dropped, a Python float with 0 <= rate < 1.

    Returns:
        An array of the shape and dtype of `weights`. Each of its entries, by itself and independently of all others,
        is 0 with probability `rate`, or else the weight divided by `1 - rate`. Rows are not normalised again. With a
        rate of 0 the weights come back unchanged.
    """
    # TODO: draw which weights stay, one by one, and scale these.
    raise NotImplementedError


def attention_entropy(weights: Float[Array, "... T"]) -> Float32[Array, "..."]:
    """How spread out each row of weights is: its entropy in nats (Shannon 1948, section 6).

    Args:
        weights: weights over `T` keys, none of them negative, with any number of leading dimensions. A row may sum to
            any number.

    Returns:
        For each row `-sum w log w` of the weights as they are, with the natural logarithm, in float32. A weight of 0
        adds 0, and its gradient is a finite number, whichever.
    """
    # TODO: minus the sum of each weight times its logarithm, and of what a weight of 0 gives.
    raise NotImplementedError


def doubly_stochastic_penalty(weights: Float[Array, "T_out T_in"]) -> Float32[Array, ""]:
    """How far the steps together are from giving each key a total weight of 1 (Xu et al. 2015, section 4.2.1).

    Args:
        weights: one row over the `T_in` keys for each of `T_out` steps. Rows need not sum to 1.

    Returns:
        `sum_i (1 - sum_t weights[t, i])²`, the first sum over the keys, the second over the steps, a float32 scalar.
    """
    # TODO: what each key gets in all steps together, and how far that is from 1.
    raise NotImplementedError


def guided_attention_loss(weights: Float[Array, "... T_q T_k"], width: float) -> Float32[Array, ""]:
    """How much weight lies away from the diagonal (Tachibana et al. 2017, section 4.1).

    Args:
        weights: weights of `T_q` queries over `T_k` keys, with any number of leading dimensions.
        width: how far from the diagonal weight is cheap, as a share of the sequence; a positive Python float.

    Returns:
        The mean, over every entry of `weights`, of the weight times `1 - exp(-(i / T_q - j / T_k)² / (2 width²))`, for
        query `i` and key `j` counted from 0; a float32 scalar.
    """
    # TODO: what each pair of places costs, and the mean of weight times cost.
    raise NotImplementedError
