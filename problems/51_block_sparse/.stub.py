"""51 · Block-sparse attention. The lesson stands in README.md; `python -m grader 51` gives the verdict."""

from jaxtyping import Array, Bool, Float, Int, Key


def bigbird_blocks(
    key: Key[Array, ""], num_blocks: int, window: int, num_global: int, num_random: int
) -> Bool[Array, "num_blocks num_blocks"]:
    """Which block of queries sees which block of keys: a window, global blocks, and random ones (Zaheer et al. 2020,
    section 2).

    Args:
        key: a typed key of `jax.random`. The same key draws the same blocks, another one draws anew.
        num_blocks: how many blocks there are, of queries and of keys, 1 or more. It and the other three are Python
            integers; those are 0 or more, and may be larger than it.
        window: how many blocks to either side a block sees, itself always included.
        num_global: how many of the first blocks see every block, and are seen by every block.
        num_random: how many further blocks each row sees.

    Returns:
        True where block `i` of queries (down) sees block `j` of keys (across). The random ones of a row are drawn
        without replacement among the blocks that window and global blocks leave, every subset of that size as likely as
        any other; all that are left, where there are fewer. Rows are drawn independently.
    """
    # TODO: what is fixed, as comparisons of block numbers; then, in each row by itself, a draw among the rest.
    raise NotImplementedError


def block_sparse_attention(
    q: Float[Array, "T N H"],
    k: Float[Array, "T N H"],
    v: Float[Array, "T N H"],
    rows: Int[Array, "P"],
    columns: Int[Array, "P"],
    block_size: int,
) -> Float[Array, "T N H"]:
    """Attention in which only listed pairs of blocks are computed (Child et al. 2019, section 4; Zaheer et al. 2020,
    appendix D), each head by itself.

    Args:
        q: one query for each token and head. The scale is `1 / sqrt(H)`.
        k: one key for each token and head.
        v: one value for each token and head.
        rows: the numbers of the blocks of queries, int32, traced.
        columns: the numbers of the blocks of keys: the queries of block `rows[p]` see the keys of block `columns[p]`.
            Pairs stand in any order, none of them twice, and a row may have any number of them. -1 in both is padding.
        block_size: how many tokens a block has, a Python integer that divides `T`. Block `i` holds the tokens from `i *
            block_size` on.

    Returns:
        For each query one softmax over all keys that it sees, times their values, in the dtype of the inputs; scores,
        softmax and sums are better float32, also for bfloat16 inputs, whose digits are too few for a sum. Queries
        of a block that sees nothing get zeros, and every gradient is finite. With `T` and `P` doubled together the
        largest array and the work double, and the program does not grow with `P`.
    """
    # TODO: a piece for each pair; then, for each block of queries, the maximum and the sums over its pieces.
    raise NotImplementedError
