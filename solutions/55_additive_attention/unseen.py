"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    query, key, attention, length, batch = rng.integers([4, 5, 6, 8, 3], [9, 12, 14, 14, 6]).tolist()
    return {
        "AdditiveAttention": {
            "sizes of this class": Case(
                d_query=query,
                d_key=key,
                d_attention=attention,
                length=length,
                batch=(batch,),
                mask="holes, one empty",
                like="one sequence of a batch hidden entirely",
            ),
            "as many sequences as keys in this class": Case(
                d_query=query,
                d_key=key,
                d_attention=key,
                length=batch,
                batch=(batch,),
                like="as many sequences as keys",
            ),
        }
    }
