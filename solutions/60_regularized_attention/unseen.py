"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    batch, queries, keys = rng.integers([2, 4, 8], [5, 8, 13]).tolist()
    rate, width = rng.uniform([0.2, 0.1], [0.4, 0.6]).round(3).tolist()
    values = ("eager", "jit", "vmap")
    return {
        "attention_dropout": {
            "a row of one key in this class, many times": Case(
                shape=(1,), rate=rate, ones=True, drawn=False, driver="smallest_and_largest", under=values
            ),
            "a rate of 0 in this class": Case(
                shape=(batch, keys), rate=0.0, drawn=False, under=("grad",), idle=("weights under grad",)
            ),
        },
        "attention_entropy": {
            "sizes of this class": Case(shape=(batch, queries, keys), sums="any"),
            "weights of 0 in this class": Case(
                shape=(queries, queries), kind="causal", driver="slopes_of_entropy", under=("eager", "jit")
            ),
        },
        "doubly_stochastic_penalty": {"sizes of this class": Case(shape=(queries, keys), sums="any")},
        "guided_attention_loss": {
            "sizes of this class": Case(
                shape=(batch, queries, keys), width=width, sums="any", idle=("weights under grad",)
            ),
        },
    }
