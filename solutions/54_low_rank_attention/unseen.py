"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    heads, width, rank, length, room = rng.integers([2, 3, 2, 6, 1], [5, 7, 8, 12, 6]).tolist()
    long, spare, few = rng.integers([180, 1, 4], [260, 20, 8]).tolist()
    return {
        "LowRankAttention": {
            "sizes of this class": Case(
                d_model=heads * width, num_heads=heads, max_len=length + room, rank=rank, length=length
            ),
            "length of this class": Case(
                d_model=8,
                num_heads=4,
                max_len=long + spare,
                rank=few,
                length=long,
                under=("jit",),
                like="hundreds of tokens",
            ),
        }
    }
