"""49 · The flash backward pass. The lesson stands in README.md; `python -m grader 49` gives the verdict."""

from jaxtyping import Array, Float


def flash_forward(
    q: Float[Array, "T_q d_k"],
    k: Float[Array, "T_k d_k"],
    v: Float[Array, "T_k d_v"],
    block_size: int,
    causal: bool = False,
) -> tuple[Float[Array, "T_q d_v"], Float[Array, "T_q"]]:
    """Blockwise attention as in problem 39, and the one number a row from which every weight can be computed again
    (Dao et al. 2022, algorithm 2; in this form Dao 2023, algorithm 1).

    Args:
        q: one query a row.
        k: one key a row, of the same width as the queries. The scale is `1 / sqrt(d_k)`.
        v: one value a row, one for each key.
        block_size: how many keys one step of the loop reads, a Python integer. `T_k` need not be a multiple of it, and
            it may be larger than `T_k`.
        causal: whether query `i` sees only the keys `j <= i + (T_k - T_q)`, a Python boolean. With `T_q > T_k` the
            first queries see none.

    Returns:
        The output, in the dtype of the inputs, zeros for a query without keys; and for each query the natural logarithm
        of the sum of `exp(score)` over the keys that it sees, the scores being scaled, `float32`: `-inf` for a query
        without keys. Nothing of size `T_q × T_k` exists on the way, and the program does not grow with the lengths.
    """
    # TODO: your loop of problem 39; at its end the maximum and the sum of each row give the logarithm.
    raise NotImplementedError


def flash_attention(
    q: Float[Array, "T_q d_k"],
    k: Float[Array, "T_k d_k"],
    v: Float[Array, "T_k d_v"],
    block_size: int,
    causal: bool = False,
) -> Float[Array, "T_q d_v"]:
    """The output of `flash_forward`, with a gradient of its own that computes the weights again, block by block (Dao et
    al. 2022, appendix B.2 and algorithm 4).

    Args:
        q: one query a row.
        k: one key a row, of the same width as the queries. The scale is `1 / sqrt(d_k)`.
        v: one value a row, one for each key.
        block_size: how many keys one step of a loop reads, forward and backward, a Python integer.
        causal: as in `flash_forward`.

    Returns:
        The output alone. Its gradients have the dtypes of the inputs; those of a query without keys are zeros. Between
        the passes nothing is kept but the inputs, the output and one number a row. Nothing of size `T_q × T_k` exists
        in the program of the gradient, and neither program grows with the lengths. Scores, weights and running sums
        are `float32`, also for bfloat16 inputs; what is multiplied with keys or values may be cast, if the product adds
        up in `float32`.
    """
    # TODO: `jax.custom_vjp`, with `block_size` and `causal` static; a loop over the blocks on the way back.
    raise NotImplementedError
