"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    first, more, vocabulary, end, at, beams, few, length, new = rng.integers(
        [2, 4, 5, 1, 1, 2, 2, 9, 13], [9, 9, 9, 5, 3, 4, 7, 16, 21]
    ).tolist()
    return {
        "generate": {
            "sizes of this class": Case(
                prompt=first, num_tokens=more, vocabulary=vocabulary, under=("eager", "jit", "vmap")
            ),
            "an end of this class": Case(
                prompt=few, num_tokens=more, vocabulary=vocabulary, eos=end, eos_at=at, under=("eager", "jit")
            ),
            "steps of this class": Case(prompt=first, num_tokens=more, driver="counted", under=("eager",)),
            "lengths of this class": Case(prompt=length, num_tokens=new, under=("jit",), like="dozens of tokens"),
            "a prompt of twice that length": Case(prompt=2 * length, num_tokens=new, under=(), like="a prompt of 24"),
            "twice as many new tokens": Case(prompt=length, num_tokens=2 * new, under=(), like="40 new tokens"),
        },
        "beam_search": {
            "sizes of this class": Case(prompt=first, num_tokens=4, num_beams=beams, vocabulary=4),
            "beams of this class": Case(
                prompt=few, num_tokens=3, num_beams=beams + 1, step="nested_walk", under=("eager", "vmap")
            ),
            "lengths of this class": Case(
                prompt=length, num_tokens=new, num_beams=beams, clear=None, under=(), like="16 tokens"
            ),
            "a prompt of twice that length": Case(
                prompt=2 * length, num_tokens=new, num_beams=beams, clear=None, under=(), like="a prompt of 16"
            ),
            "twice as many tokens": Case(
                prompt=length, num_tokens=2 * new, num_beams=beams, clear=None, under=(), like="32 tokens"
            ),
        },
    }
