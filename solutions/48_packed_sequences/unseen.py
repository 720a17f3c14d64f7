"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    one, two, three, tail, block, heads, width, half = rng.integers(
        [6, 3, 5, 2, 5, 2, 3, 5], [12, 9, 10, 6, 9, 4, 7, 12]
    ).tolist()
    base, odd = rng.integers([200, 800], [300, 1100]).tolist()
    pack = dict(lengths=(one, 0, two, three, 0), tail=tail, heads=heads, head_dim=width)
    causal = bool(rng.integers(2))
    # the last block is full
    whole = 64 * (base // 64)

    def long(total, block_size, like, under=("jit",)):
        lengths = (total // 3, 0, total - total // 3 - 7)
        sizes = dict(lengths=lengths, tail=7, block_size=block_size, heads=2, head_dim=8, causal=True)
        return Case(**sizes, under=under, like=like)

    return {
        "segment_ids": {"pack of this class": Case(lengths=(one, 0, 0, two, three), tail=tail)},
        "packed_attention": {
            "pack of this class": Case(**pack, causal=causal),
            "nobody's rows of this class": Case(**pack, like="rows that nobody owns", under=("jit",)),
            "bfloat16 of this class": Case(
                lengths=(half, 0, two), tail=1, head_dim=16, dtype=ml_dtypes.bfloat16, under=("jit",), like="bfloat16"
            ),
        },
        "packed_blockwise_attention": {
            "pack of this class": Case(**pack, block_size=block, causal=causal),
            "nobody's rows of this class": Case(**pack, block_size=block, like="rows that nobody owns", under=("jit",)),
            "bfloat16 of this class": Case(
                lengths=(half, 0, two),
                tail=1,
                block_size=4,
                head_dim=16,
                dtype=ml_dtypes.bfloat16,
                under=("jit",),
                like="bfloat16",
            ),
            "rows of this class": long(8 * (odd // 8), block, "a thousand rows in small blocks"),
            "rows of this class, the last block not full": long(
                8 * (odd // 8) + 3, 8, "a thousand rows, the last block not full", under=()
            ),
            "length of this class": long(whole, 64, "512 rows"),
            "twice that length": long(2 * whole, 64, "1024 rows"),
            "sixteen times that length": long(16 * whole, 64, "4096 rows", under=()),
            "a ragged length of this class": long(whole + 5, 64, "515 rows", under=()),
            "twice that ragged length": long(2 * whole + 5, 64, "1027 rows", under=()),
        },
    }
