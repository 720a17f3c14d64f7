"""76 · For each x the logarithm of the sum of exp(x * y) over y: the backward pass computes the weights again."""

import numpy as np

from grader.course import Case, Function, Growth, Kept, Largest


def inputs(rng, rows=3, columns=4):
    return dict(x=rng.standard_normal(rows).astype(np.float32), y=rng.standard_normal(columns).astype(np.float32))


GRAD = ("grad",)
ENTRIES = [
    Function(
        "exp_sum",
        inputs,
        {
            "a few": Case(),
            "more": Case(rows=64, columns=64, under=GRAD),
            "twice as many": Case(rows=128, columns=128, under=GRAD),
        },
        proofs=[
            Kept(
                "no weights are kept",
                "Between the passes nothing of size rows × columns may be kept.",
                ["more"],
                limit=lambda rows, columns: 4 * (rows + columns),
            ),
            Growth(
                "what is kept is linear",
                "What is kept may grow no faster than the inputs.",
                ["more", "twice as many"],
                under="grad",
                of="kept",
                exponent=1.1,
                length=lambda rows, columns: rows,
                limit=lambda rows, columns: 8 * (rows + columns),
            ),
            Largest(
                "nothing in the gradient is larger",
                "Nothing larger than rows × columns may exist in the gradient's program.",
                ["more"],
                under="grad",
                limit=lambda rows, columns: rows * columns + 1,
            ),
        ],
    )
]
