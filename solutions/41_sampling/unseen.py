"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    vocabulary, rows, places = rng.integers([7, 2, 2], [12, 4, 4]).tolist()
    top_k, top_p, temperature = int(rng.integers(3, vocabulary - 2)), *rng.uniform([0.6, 1.5], [0.9, 2.5]).round(3)
    filtered = dict(vocabulary=vocabulary, temperature=float(temperature), top_k=top_k, top_p=float(top_p))
    values = ("eager", "jit", "vmap")
    return {
        "filter_logits": {
            "sizes of this class": Case(**filtered, batch=(rows, places), under=values),
            "the gradient at sizes of this class": Case(
                **filtered, batch=(rows,), driver="probabilities", under=("grad",)
            ),
        },
        "sample_token": {
            "temperature 0 at sizes of this class": Case(
                vocabulary=vocabulary, batch=(rows, places), temperature=0.0, drawn=False, under=values
            ),
            "a batch of this class": Case(
                vocabulary=vocabulary,
                batch=(rows, places),
                temperature=float(temperature),
                under=values,
                like="a batch",
            ),
        },
    }
