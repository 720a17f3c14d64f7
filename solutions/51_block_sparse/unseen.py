"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    blocks, pairs, padding, size, heads, width, half = rng.integers(
        [6, 13, 2, 4, 2, 3, 5], [9, 21, 6, 8, 4, 7, 9]
    ).tolist()
    number, other, window, first, drawn = rng.integers([9, 6, 1, 1, 1], [17, 12, 4, 4, 5]).tolist()
    many, listed, token = rng.integers([50, 81, 3], [90, 130, 6]).tolist()
    sparse = dict(num_blocks=blocks, num_pairs=pairs, padding=padding, block_size=size, heads=heads, head_dim=width)

    def long(blocks, pairs, like, under=()):
        sizes = dict(num_blocks=blocks, num_pairs=pairs - 1, padding=1, block_size=token, heads=2, head_dim=4)
        return Case(**sizes, under=under, like=like)

    return {
        "bigbird_blocks": {
            "what is fixed, at sizes of this class": Case(
                num_blocks=number,
                window=window,
                num_global=first,
                num_random=0,
                drawn=False,
                under=("eager", "jit"),
            ),
            "a pattern of this class": Case(
                num_blocks=other,
                window=1,
                num_global=1,
                num_random=drawn,
                under=("eager", "jit", "vmap"),
                like="window, global and random blocks",
            ),
            "as many as asked for, at sizes of this class": Case(
                num_blocks=number,
                window=window,
                num_global=first,
                num_random=drawn + 2,
                under=("eager",),
                like="fewer left than asked for",
            ),
        },
        "block_sparse_attention": {
            "pairs of this class": Case(**sparse),
            "bfloat16 of this class": Case(
                num_blocks=half,
                num_pairs=2 * half,
                padding=1,
                block_size=4,
                head_dim=16,
                dtype=ml_dtypes.bfloat16,
                under=("jit",),
            ),
            "a list of this class": long(many, listed, "40 blocks, 61 pairs", under=("jit",)),
            "blocks and pairs doubled": long(2 * many, 2 * listed, "80 blocks, 122 pairs"),
            "pairs doubled": long(many, 2 * listed, "40 blocks, 122 pairs"),
        },
    }
