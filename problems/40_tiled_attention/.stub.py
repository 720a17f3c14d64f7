"""40 · Tiled attention in Pallas. The lesson stands in README.md; `python -m grader 40` gives the verdict."""

from jaxtyping import Array, Float


def tiled_attention(
    q: Float[Array, "N T_q H"],
    k: Float[Array, "N T_k H"],
    v: Float[Array, "N T_k H"],
    *,
    block_q: int = 128,
    block_k: int = 128,
    causal: bool = False,
    interpret=False,
) -> Float[Array, "N T_q H"]:
    """Exact attention as one Pallas kernel, a tile of scores at a time (Dao et al. 2022).

    Args:
        q: the queries of each head.
        k: the keys of each head.
        v: the values of each head.
        block_q: how many queries one step of the grid works on. It may be longer than the sequence, and need not divide
            `T_q`.
        block_k: how many keys a tile holds. It may be longer than the sequence, and need not divide `T_k`.
        causal: whether query `i` sees key `j` only where `j <= i + (T_k - T_q)`. Key blocks that a query block does not
            see are not visited.
        interpret: goes to `pallas_call` as it comes. True runs the kernel on any CPU; False, the default, compiles it
            for the accelerator at hand, and is refused without one.

    Returns:
        For each head and query the average of the values, weighted by the softmax over the keys of `q kᵀ / sqrt(H)`, in
        the dtype of `q`. A query with no key to attend to gets zeros.
    """
    # TODO: one `pallas_call` with a grid over heads and query blocks; in the kernel a loop over key blocks.
    raise NotImplementedError
