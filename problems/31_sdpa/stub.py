"""31 · Scaled dot-product attention. The lesson stands in README.md; `python -m grader 31` gives the verdict."""

from jaxtyping import Array, Float


def sdpa(
    q: Float[Array, "T_q d_k"],
    k: Float[Array, "T_k d_k"],
    v: Float[Array, "T_k d_v"],
) -> Float[Array, "T_q d_v"]:
    """Scaled dot-product attention (Vaswani et al. 2017, equation 1).

    Args:
        q: one query a row.
        k: one key a row, of the same width as the queries.
        v: one value a row, one for each key.

    Returns:
        For each query the average of the values, weighted by the softmax over the keys of `q kᵀ / sqrt(d_k)`.
    """
    # TODO: scores, weights, output. Three lines are enough.
    raise NotImplementedError
