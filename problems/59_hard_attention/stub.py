"""59 · Hard attention. The lesson stands in README.md; `python -m grader 59` gives the verdict."""

from collections.abc import Callable

from jaxtyping import Array, Float, Float32, Int32, Key


def hard_attention(
    key: Key[Array, ""], scores: Float[Array, "T"], values: Float[Array, "T d"]
) -> tuple[Float[Array, "d"], Int32[Array, ""]]:
    """Attends to one key alone, which is drawn (Xu et al. 2015, section 4.1).

    Args:
        key: a typed key. The same key draws the same row.
        scores: one finite score for each of `T` keys, of either sign and any size.
        values: one row for each key.

    Returns:
        `values[i]`, and `i` itself, an int32 scalar, which is drawn from `softmax(scores)`. The draw is made in
        float32, also for bfloat16 scores. The gradient of the row goes to row `i` of `values`.
    """
    # TODO: draw the index of one key, and take its row.
    raise NotImplementedError


def straight_through_attention(
    key: Key[Array, ""], scores: Float[Array, "T"], values: Float[Array, "T d"]
) -> Float[Array, "d"]:
    """Hard attention forward, and for the scores soft attention backward (Bengio et al. 2013).

    Args:
        key, scores, values: as in `hard_attention`.

    Returns:
        `values[i]` alone, up to rounding, with `i` drawn as in `hard_attention`. Its gradient with respect to `scores`
        is that of `softmax(scores) @ values`; its gradient with respect to `values` goes to row `i` alone.
    """
    # TODO: the row that is drawn, and the gradient of the row that is not computed forward.
    raise NotImplementedError


def reinforce_surrogate(
    key: Key[Array, ""],
    scores: Float[Array, "T"],
    values: Float[Array, "T d"],
    loss: Callable[[Float[Array, "d"]], Float[Array, ""]],
    baseline: Float32[Array, ""],
) -> Float32[Array, ""]:
    """A number whose gradient is an unbiased estimate of that of the expected loss (Williams 1992; Xu et al. 2015,
    section 4.1).

    Args:
        key, scores, values: as in `hard_attention`.
        loss: a differentiable function of one row. It is applied to `values[i]` and to no other row, with `i` drawn as
            in `hard_attention`.
        baseline: what the loss is compared with, a traced scalar that does not depend on what is drawn.

    Returns:
        A float32 scalar. Its value is free. The expectation of its gradient, over the keys, is the gradient of
        `E[loss(values[i])]` with respect to `scores` and with respect to `values`, whatever `baseline` is. A draw whose
        loss equals `baseline` gives `scores` no gradient. The gradient with respect to `baseline` is 0. Gradients are
        of the first order only.
    """
    # TODO: something whose gradient has two parts: through the row, and through how likely it was drawn.
    raise NotImplementedError
