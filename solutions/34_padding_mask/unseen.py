"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    batch, room, length, heads, width = rng.integers([3, 20, 8, 2, 3], [6, 40, 12, 5, 8]).tolist()
    case = Case(batch=3, length=length, num_heads=heads, head_dim=width, mask="everything", like="dozens of tokens")
    return {
        "padding_mask": {"sizes of this class": Case(batch=batch, max_len=room)},
        "bidirectional_attention": {"sizes of this class": case},
        "causal_attention": {"sizes of this class": case},
    }
