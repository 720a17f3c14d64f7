"""77 · A sum over rows that lie on eight devices: each sums its own, and only the sums are exchanged."""

import numpy as np

from grader.course import Case, Collectives, Function

DEVICES = 8
LINEAR = ("x under grad",)  # the gradient of a sum does not depend on what is summed


def inputs(rng, rows=8, width=3):
    return dict(x=rng.standard_normal((rows, width)).astype(np.float32))


ENTRIES = [
    Function(
        "total",
        inputs,
        {"a row for each": Case(idle=LINEAR), "several rows for each": Case(rows=24, width=2, idle=LINEAR)},
        proofs=[
            Collectives(
                "only sums are exchanged",
                "Devices exchange sums, and no rows.",
                ["several rows for each"],
                most={"psum": 1},
            )
        ],
    )
]
