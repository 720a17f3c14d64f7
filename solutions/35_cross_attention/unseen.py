"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    heads, context, t_q, t_k = rng.integers([2, 5, 2, 18], [5, 20, 4, 25]).tolist()
    return {
        "CrossAttention": {
            "sizes of this class": Case(
                d_model=4 * heads,
                d_context=context,
                num_heads=heads,
                t_q=t_q,
                t_k=t_k,
                batch=(2,),
                mask="holes, last empty",
                like="two batch dimensions, one context masked entirely",
            )
        }
    }
