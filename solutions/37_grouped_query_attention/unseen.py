"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    groups, heads, width, length = rng.integers([2, 2, 3, 5], [4, 4, 8, 9]).tolist()
    return {
        "GroupedQueryAttention": {
            "sizes of this class": Case(
                d_model=groups * heads * width,
                num_heads=groups * heads,
                num_kv_heads=heads,
                length=length,
                batch=(2,),
                like="two batch dimensions",
            )
        }
    }
