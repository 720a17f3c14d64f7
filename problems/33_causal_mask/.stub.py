"""33 · The causal mask. The lesson stands in README.md; `python -m grader 33` gives the verdict."""

from jaxtyping import Array, Bool, Float


def causal_mask(t_q: int, t_k: int) -> Bool[Array, "t_q t_k"]:
    """Which keys each query may attend to, when the queries are the last `t_q` of `t_k` tokens.

    Args:
        t_q: how many queries, a Python integer.
        t_k: how many keys, a Python integer.

    Returns:
        True where query i may attend to key j: where `j <= i + (t_k - t_q)`. The last query sees every key.
        Any two lengths are allowed, `t_q > t_k` too.
    """
    # TODO: one comparison, or one call of the library.
    raise NotImplementedError


def causal_sdpa(
    q: Float[Array, "T_q d_k"],
    k: Float[Array, "T_k d_k"],
    v: Float[Array, "T_k d_v"],
) -> Float[Array, "T_q d_v"]:
    """Scaled dot-product attention in which no query sees a later key (Vaswani et al. 2017, section 3.2.3).

    Args:
        q: one query a row; these are the last T_q of the T_k tokens, so T_q <= T_k.
        k: one key a row, of the same width as the queries.
        v: one value a row, one for each key.

    Returns:
        For each query the average of the values that it may see, weighted by the softmax over those keys of
        `q kᵀ / sqrt(d_k)`. A change of a later key or value leaves it the same to the last bit.
    """
    # TODO: problem 31, with the mask at the right step.
    raise NotImplementedError
