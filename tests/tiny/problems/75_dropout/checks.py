"""75 · A module with dropout: in eval it is exact, in train it counts its draws."""

import numpy as np

from grader.course import Case, Module, ModuleInputs, Statistic


def inputs(rng, width=3, rows=2, mode="eval", rate=0.5):
    return ModuleInputs(
        init=dict(width=width, rate=rate),
        params={"linear.kernel": rng.standard_normal((width, width)).astype(np.float32)},
        call=dict(x=rng.standard_normal((rows, width)).astype(np.float32)),
        mode=mode,
    )


def halved(inputs):
    """At a rate of a half a value is 0 or twice what it was: its mean is what it was."""
    mean = inputs["x"].astype(np.float64) @ inputs["linear.kernel"]
    return mean, mean**2, np.abs(mean)


ENTRIES = [
    Module(
        "Dropped",
        inputs,
        {
            "in eval": Case(),
            "in train": Case(mode="train", rows=4, under=("eager", "jit"), drawn=True),
            "in train, rate 0": Case(mode="train", rate=0.0),
        },
        statistics=[
            Statistic(
                "half is dropped",
                "In train each value is zero as often as the rate says.",
                "in train",
                of=lambda drawn, inputs: drawn == 0,
                expected=lambda inputs: (0.5, 0.25, 0.5),
                told=lambda place, mean, expected: (
                    f"The value at {place} is zero {100 * mean:.1f}% of the time; it has to be {100 * expected:.0f}%."
                ),
            ),
            Statistic(
                "the mean is kept",
                "In train each value is on the mean what it is in eval.",
                "in train",
                of=lambda drawn, inputs: drawn,
                expected=halved,
            ),
        ],
    )
]
