"""71 · One step of a momentum: arguments and results are nested containers of arrays."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from grader.course import Case, Function


class Moments(NamedTuple):
    count: np.ndarray
    mean: dict


@dataclass
class Settings:
    rate: np.ndarray
    nesterov: bool


def array(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def inputs(rng, width=2, count=3, nesterov=False):
    return dict(
        state=Moments(np.int32(count), {"kernel": array(rng, 3, width), "bias": array(rng, width)}),
        gradients={"kernel": array(rng, 3, width), "bias": array(rng, width)},
        settings=Settings(np.float32(0.9), nesterov),
        names=["kernel", "bias"],
    )


ENTRIES = [
    Function(
        "momentum",
        inputs,
        {
            "a step": Case(idle=("state.count under grad", "gradients under grad")),
            "of Nesterov": Case(nesterov=True, width=3, idle=("state.count under grad",)),
        },
    )
]
