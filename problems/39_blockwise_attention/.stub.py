"""39 · Blockwise attention with an online softmax. The lesson stands in README.md; `python -m grader 39` gives the
verdict."""

from jaxtyping import Array, Float


def blockwise_attention(
    q: Float[Array, "T_q d_k"],
    k: Float[Array, "T_k d_k"],
    v: Float[Array, "T_k d_v"],
    block_size: int,
    causal: bool = False,
) -> Float[Array, "T_q d_v"]:
    """Exact attention that reads `block_size` keys at a time (Rabe and Staats 2021; the softmax of Milakov and
    Gimelshein 2018).

    Args:
        q: one query a row.
        k: one key a row, of the same width as the queries.
        v: one value a row, one for each key.
        block_size: how many keys one step of the loop reads, a Python integer. `T_k` need not be a multiple of it, and
            it may be larger than `T_k`.
        causal: whether query `i` sees only the keys `j <= i + (T_k - T_q)`, a Python boolean. With `T_q > T_k` the
            first queries see none.

    Returns:
        What problem 31 (or 33) returns, in the dtype of the inputs. A query with no key gets zeros, and every gradient
        is finite. Scores, softmax and running sums are float32, also for bfloat16 inputs. Nothing of size `T_q × T_k`
        exists on the way, and the program does not grow with `T_k`.
    """
    # TODO: a loop over blocks of keys that carries a maximum, a sum and an unfinished output for each query.
    raise NotImplementedError
