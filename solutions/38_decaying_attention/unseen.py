"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, t_k, d_k, heads, length = rng.integers([3, 20, 9, 5, 6], [6, 40, 33, 9, 10]).tolist()
    return {
        "distance_bias": {"sizes of this class": Case(t_q=t_q, t_k=t_k)},
        "biased_attention": {"sizes of this class": Case(t_q=t_q, t_k=t_k, d_k=d_k)},
        "DecayingAttention": {
            "sizes of this class": Case(num_heads=heads, length=length, causal=bool(rng.integers(2)))
        },
    }
