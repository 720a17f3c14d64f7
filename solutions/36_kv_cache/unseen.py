"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    heads, width, first, more, room = rng.integers([2, 3, 3, 2, 70], [5, 8, 6, 4, 100]).tolist()
    return {
        "CachedSelfAttention": {
            "sizes of this class": Case(
                d_model=heads * width, num_heads=heads, max_len=first + more + 4, steps=(first, 1, more)
            ),
            "room of this class": Case(
                d_model=heads * width,
                num_heads=heads,
                max_len=room,
                steps=(1, 1),
                under=("jit",),
                like="two tokens, room for many",
            ),
        }
    }
