"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    heads, width, length = rng.integers([3, 3, 7], [6, 8, 12]).tolist()
    return {"MultiHeadAttention": {"sizes of this class": Case(d_model=heads * width, num_heads=heads, length=length)}}
