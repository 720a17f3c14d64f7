"""73 · Greedy decoding with a step function that comes as an argument."""

import numpy as np

from grader.course import Case, Function, Given


def inputs(rng, prompt=2, num_tokens=3, vocabulary=5):
    return dict(
        step=Given("bigram"),
        state={
            "count": np.zeros((), np.int32),
            "table": rng.standard_normal((vocabulary, vocabulary)).astype(np.float32),
        },
        prompt=rng.integers(vocabulary, size=prompt).astype(np.int32),
        num_tokens=num_tokens,
    )


VALUES = ("eager", "jit", "vmap")  # a token has no gradient
ENTRIES = [
    Function(
        "generate",
        inputs,
        {
            "one token": Case(under=VALUES, prompt=1, num_tokens=1),
            "a prompt": Case(under=VALUES, num_tokens=6),
            "as often as said": Case(under=VALUES, driver="counted", num_tokens=4),
        },
    )
]
