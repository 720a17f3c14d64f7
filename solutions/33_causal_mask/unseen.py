"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, more, d_k, d_v = rng.integers([3, 33, 9, 3], [6, 49, 33, 9]).tolist()
    return {
        "causal_mask": {"sizes of this class": Case(t_q=t_q, t_k=t_q + more)},
        "causal_sdpa": {
            "sizes of this class": Case(t_q=t_q, t_k=t_q + more, d_k=d_k, d_v=d_v, like="dozens of tokens")
        },
    }
