"""Cases that only a class run tries: their sizes follow from its secret seed, so that nobody can write for them."""

from grader.problem import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    heads, width, context, t_q, t_k = rng.integers([2, 3, 5, 7, 18], [6, 8, 20, 10, 25]).tolist()
    return {"CrossAttention": {"sizes of this class": Case(d_model=heads * width, d_context=context, num_heads=heads, t_q=t_q, t_k=t_k, mask="holes", under=("jit",))}}
