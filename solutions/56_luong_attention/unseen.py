"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    d_query, more, length, batch, hidden = rng.integers([3, 1, 5, 2, 1], [7, 5, 9, 5, 4]).tolist()
    width, long, reach, place = rng.integers([3, 14, 2, 3], [7, 24, 4, 10]).tolist()
    seen = [int(key != hidden) for key in range(length)]
    given = ("position_proj.kernel", "position_vector.kernel")
    return {
        "LuongAttention": {
            "dot, sizes of this class": Case(
                score="dot", d_query=d_query + more, length=length, batch=(batch,), hidden=seen
            ),
            "general, sizes of this class": Case(
                score="general", d_query=d_query, d_key=d_query + more, length=length, batch=(batch,), hidden=seen
            ),
            "concat, sizes of this class": Case(
                score="concat", d_query=d_query + more, d_key=d_query, length=length, hidden=seen
            ),
        },
        "LocalAttention": {
            "the query says where, sizes of this class": Case(d_query=width, length=long, half_width=reach),
            "a place of this class": Case(
                d_query=width, length=long, half_width=reach, position=float(place), idle=given, under=("eager", "jit")
            ),
            "a window of this class beyond both ends": Case(
                d_query=width, length=reach + 1, half_width=long, position=reach / 2 + 0.3, idle=given
            ),
        },
    }
