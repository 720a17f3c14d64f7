"""Cases that only a class run tries: their sizes follow from its secret seed, so that nobody can write for them."""

from grader.problem import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, t_k, d_k, heads = rng.integers([40, 50, 9, 5], [70, 90, 33, 9]).tolist()
    return {"distance_bias": {"sizes of this class": Case(t_q=t_q, t_k=t_k)},
            "biased_attention": {"sizes of this class": Case(t_q=t_q, t_k=t_k, d_k=d_k, under=("jit",))},
            "DecayingAttention": {"sizes of this class": Case(num_heads=heads, length=t_q, causal=True, under=("jit",))}}
