"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    width, layers, words, length, deep = rng.integers([4, 2, 6, 3, 9], [8, 6, 14, 8, 20]).tolist()
    heads, few, batch = rng.integers([3, 2, 2], [6, 5, 4]).tolist()
    long = dict(block="mixer_5", vocab_size=words, under=("jit",))
    return {
        "LanguageModel": {
            "sizes of this class": Case(block=f"mixer_{width}", num_layers=layers, vocab_size=words, length=length),
            "transformer blocks of this class": Case(
                block=f"transformer_{2 * heads}", num_layers=few, vocab_size=words, length=length, batch=(batch,)
            ),
            "layers of this class": Case(num_layers=deep, **long, like="12 layers"),
            "twice as many": Case(num_layers=2 * deep, **long, like="24 layers"),
        }
    }
