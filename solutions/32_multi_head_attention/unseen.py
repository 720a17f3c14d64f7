"""Cases that only a class run tries: their sizes follow from its secret seed, so that nobody can write for them."""

from grader.problem import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    heads, width, length = rng.integers([2, 3, 10], [5, 8, 14]).tolist()
    return {"MultiHeadAttention": {"sizes of this class": Case(d_model=heads * width, num_heads=heads, length=length, under=("jit",))}}
