"""Cases that only a class run tries: their sizes follow from its secret seed, so that nobody can write for them."""

from grader.problem import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, t_k, block, d_k = rng.integers([40, 70, 5, 9], [70, 140, 17, 33]).tolist()
    return {"blockwise_attention": {"sizes of this class": Case(t_q=t_q, t_k=t_k, block_size=block, causal=bool(rng.integers(2)), d_k=d_k, under=("jit",))}}
