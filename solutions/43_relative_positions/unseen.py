"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case

# sizes at which no range begins at a whole number
SIZES = [(12, 30), (12, 70), (16, 60), (20, 50), (20, 90), (24, 70), (36, 110), (40, 150)]


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, more, heads, length, width = rng.integers([3, 4, 2, 6, 3], [20, 40, 6, 12, 8]).tolist()
    (buckets, far), (other_buckets, other_far) = (SIZES[which] for which in rng.permutation(len(SIZES))[:2])
    rows, columns, long, longer = rng.integers([5, 5, 30, 27], [20, 20, 40, 33]).tolist()
    return {
        "relative_bucket": {
            "sizes of this class": Case(
                num_buckets=buckets, max_distance=far, low=-2 * far, high=2 * far, shape=(rows, columns)
            )
        },
        "RelativeBias": {
            "sizes of this class": Case(
                num_heads=heads,
                num_buckets=other_buckets,
                max_distance=other_far,
                t_q=t_q,
                t_k=t_q + more,
                idle=("embedding under grad",),
            )
        },
        "relative_scores": {
            "sizes of this class": Case(length=length, num_heads=heads, head_dim=width),
            "one head of this class": Case(
                length=long, num_heads=1, head_dim=8, under=("jit",), like="dozens of tokens, one head"
            ),
            "heads of this class": Case(
                length=longer, num_heads=3, head_dim=8, under=("jit",), like="dozens of tokens, three heads"
            ),
        },
    }
