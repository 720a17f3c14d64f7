"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    length, pairs, tokens, heads, half, base = rng.integers([30, 5, 5, 2, 3, 50], [90, 20, 12, 5, 9, 5000]).tolist()
    return {
        "sinusoidal_encoding": {"sizes of this class": Case(length=length, d_model=2 * pairs, base=float(base))},
        "rotate": {
            "sizes of this class": Case(
                length=tokens,
                heads=heads,
                width=2 * half,
                below=200,
                base=float(base),
                like="dozens of tokens",
                idle=("x under grad",),
            ),
            "positions of this class": Case(length=tokens, heads=heads, width=2 * half, far=True, under=("eager",)),
        },
    }
