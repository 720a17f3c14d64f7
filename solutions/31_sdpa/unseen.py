"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name. Few queries of many keys, or the reverse: longer than students know, and
    a loop over every axis stays short."""
    few, many, d_k, d_v = rng.integers([3, 36, 9, 3], [6, 53, 33, 9]).tolist()
    t_q, t_k = rng.permutation([few, many]).tolist()
    return {"sdpa": {"sizes of this class": Case(t_q=t_q, t_k=t_k, d_k=d_k, d_v=d_v)}}
