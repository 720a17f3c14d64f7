"""Cases that only a class run tries: their sizes follow from its secret seed, so that nobody can write for them."""

from grader.problem import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, t_k, length, d_k, heads = rng.integers([5, 26, 12, 9, 5], [8, 34, 16, 33, 9]).tolist()
    return {"distance_bias": {"sizes of this class": Case(t_q=t_q, t_k=t_k)},
            "biased_attention": {"sizes of this class": Case(t_q=t_q, t_k=t_k, d_k=d_k, under=("jit",))},
            "DecayingAttention": {"sizes of this class": Case(num_heads=heads, length=length, causal=True, under=("jit",))}}
