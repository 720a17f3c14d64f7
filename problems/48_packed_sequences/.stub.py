"""48 · Packed sequences. The lesson stands in README.md; `python -m grader 48` gives the verdict."""

from jaxtyping import Array, Float, Int


def segment_ids(cu_seqlens: Int[Array, "B_plus_1"], total: int) -> Int[Array, "total"]:
    """The number of the sequence that owns each row of a pack.

    Args:
        cu_seqlens: where each of the `B` sequences begins, and behind the last one where it ends: int32, from 0 up,
            never falling, `total` at most. Two equal neighbours are an empty sequence. Its values are traced.
        total: how many rows the pack has, a Python integer.

    Returns:
        int32, one number for each row: sequence `b` owns the rows from `cu_seqlens[b]` up to, and without,
        `cu_seqlens[b + 1]`. Rows behind the last sequence are nobody's and get `B`.
    """
    # TODO: how many sequences have ended at or before each row?
    raise NotImplementedError


def packed_attention(
    q: Float[Array, "total N H"],
    k: Float[Array, "total N H"],
    v: Float[Array, "total N H"],
    cu_seqlens: Int[Array, "B_plus_1"],
    causal: bool = False,
) -> Float[Array, "total N H"]:
    """Attention of several sequences that stand one behind the other without padding: each within itself, each head by
    itself (the layout of FlashAttention's variable-length call, `flash_attn_varlen_func`; Dao 2023).

    Args:
        q: one query for each row and head. The scale is `1 / sqrt(H)`.
        k: one key for each row and head.
        v: one value for each row and head.
        cu_seqlens: as in `segment_ids`.
        causal: whether a row sees only itself and what comes before it in its sequence, a Python boolean.

    Returns:
        What the attention of problem 31 (or 33) gives for each sequence alone, in the dtype of the inputs. Rows that
        nobody owns are zeros. What stands in them, any finite number, reaches no other row; their gradients are zeros.
    """
    # TODO: which row sees which, as a mask of two numbers of sequences; then attention with heads.
    raise NotImplementedError


def packed_blockwise_attention(
    q: Float[Array, "total N H"],
    k: Float[Array, "total N H"],
    v: Float[Array, "total N H"],
    cu_seqlens: Int[Array, "B_plus_1"],
    block_size: int,
    causal: bool = False,
) -> Float[Array, "total N H"]:
    """The same as `packed_attention`, reading `block_size` keys at a time with the online softmax of problem 39.

    Args:
        q: one query for each row and head.
        k: one key for each row and head.
        v: one value for each row and head.
        cu_seqlens: as in `segment_ids`. Sequences begin and end anywhere, within blocks too.
        block_size: how many rows of keys one step of the loop reads, a Python integer. `total` need not be a multiple
            of it, and it may be larger than `total`.
        causal: as in `packed_attention`.

    Returns:
        What `packed_attention` gives, in the dtype of the inputs. Scores, softmax and running sums are float32, also
        for bfloat16 inputs. Where `block_size` is far below `total`, nothing of size `total × total` exists on the way;
        the program does not grow with `total`. The gradient is right, and may store more.
    """
    # TODO: the loop of problem 39; each block brings the numbers of the sequences that own its keys.
    raise NotImplementedError
