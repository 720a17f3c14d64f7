"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    layers, heads, length = rng.integers([3, 2, 6], [7, 9, 15]).tolist()
    # far apart, and on both sides of 0: what fits no table, and what nobody can know to be missing
    tokens = (rng.permutation(length) * 2**27 + rng.integers(2**20) - 2**30).tolist()
    linear = ("weights under grad",)
    return {
        "attention_rollout": {
            "sizes of this class": Case(shape=(layers, heads, length, length), sums="any"),
        },
        "mean_distance": {
            "sizes of this class": Case(shape=(heads, length, length), sums="any", idle=linear),
        },
        "induction_score": {
            "a vocabulary of this class": Case(heads=heads, length=length + 6, vocabulary=5, sums="any", idle=linear),
            "tokens of this class, none twice": Case(
                heads=heads, tokens=tokens, under=("eager", "grad"), idle=("weights",)
            ),
            "tokens of this class": Case(
                heads=heads, tokens=(tokens[-1], *tokens, tokens[0]), sums="any", under=("eager",)
            ),
        },
    }
