"""Cases that only a class run tries: their sizes follow from its secret seed, so that nobody can write for them."""

from grader.problem import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    batch, length, heads, width = rng.integers([3, 14, 2, 3], [6, 18, 5, 8]).tolist()
    case = Case(batch=batch, length=length, num_heads=heads, head_dim=width, mask="holes", under=("jit",))
    return {"padding_mask": {"sizes of this class": Case(batch=batch, max_len=length)},
            "bidirectional_attention": {"sizes of this class": case}, "causal_attention": {"sizes of this class": case}}
