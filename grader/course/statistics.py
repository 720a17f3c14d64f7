"""The claims that a problem may make about what is drawn: over many keys, how often, how much on average, and
independently of what.

An honest answer fails one once in 10⁹ runs: the bound on each mean is Bernstein's, from the exact variance and range of
a single draw, and the 10⁻⁹ are shared among all means of a claim. So no machine, and no student, meets a failure by
chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.course.claims import Broken

BY_CHANCE = 1e-9
ROUNDING = 1e-5  # of a probability that float32 computes


@dataclass(frozen=True)
class Statistic:
    """A claim about the means over `draws` keys, at the inputs of one case: the arguments by name, of a module also its
    constructor's and its parameters by path.

    `of(drawn, inputs)` makes of what was drawn, `(draws, ...)`, the numbers whose means are known, `(draws, ...)`;
    `expected(inputs)` gives the mean and the variance of each, and the largest distance of one draw from its mean.
    `told(place, mean, expected)` says in a sentence what came.
    """

    name: str
    rule: str
    case: str
    of: Callable[[Any, Mapping[str, Any]], np.ndarray]
    expected: Callable[[Mapping[str, Any]], tuple[np.ndarray, np.ndarray, np.ndarray]]
    told: Callable[[tuple[int, ...], float, float], str] = lambda place, mean, expected: (
        f"The mean is {mean:.4g}; expected {expected:.4g}."
    )
    advice: str = ""
    draws: int = 4096

    def broken(self, inputs: Mapping[str, Any], drawn) -> Broken | None:
        """How the claim is broken by what was drawn. The sign says which means are off and to which side, so that two
        who draw alike are told alike."""
        try:
            numbers = np.asarray(self.of(drawn, inputs), np.float64)
            mean, variance, span = (
                np.broadcast_to(np.asarray(part, np.float64), numbers.shape[1:]) for part in self.expected(inputs)
            )
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            return Broken("shape", f"{self.rule} What was drawn has another shape or type than asked for.")
        found = numbers.mean(axis=0)
        # NaN is off
        off = ~(np.abs(found - mean) <= allowed(variance, span, len(numbers), max(mean.size, 1)) + ROUNDING * span)
        if not off.any():
            return None
        place = tuple(
            int(i)
            for i in np.unravel_index(
                int(np.argmax(np.where(off, np.nan_to_num(np.abs(found - mean), nan=np.inf), -1.0))), off.shape
            )
        )
        return Broken(
            self.sign(off, found, mean),
            f"{self.rule} {self.told(place, float(found[place]), float(mean[place]))}",
            self.advice,
        )

    def sign(self, off: np.ndarray, found: np.ndarray, mean: np.ndarray) -> str:
        return "".join(
            "." if not wrong else "+" if above else "-" for wrong, above in zip(off.ravel(), (found > mean).ravel())
        )


def allowed(variance, span, draws: int, means: int):
    """How far one of so many means over so many draws may be from what is expected (Bernstein's inequality)."""
    weight = np.log(2 * means / BY_CHANCE) / draws
    return span * weight / 3 + np.sqrt((span * weight / 3) ** 2 + 2 * variance * weight)


def Frequencies(
    name: str,
    rule: str,
    case: str,
    probabilities: Callable[[Mapping[str, Any]], Any],
    *,
    draws: int = 4096,
    advice: str = "",
) -> Statistic:
    """Each index is drawn as often as its probability says, at each place of a batch: `probabilities(inputs)` is
    `(..., V)`, the indices drawn are `(...)`."""

    def of(drawn, inputs):
        return np.asarray(drawn)[..., None] == np.arange(np.shape(probabilities(inputs))[-1])

    def expected(inputs):
        p = np.asarray(probabilities(inputs), np.float64)
        return p, p * (1 - p), np.maximum(p, 1 - p)

    def told(place, mean, expected):
        where = f" at place {place[:-1] if len(place) > 2 else place[0]} of the batch" if len(place) > 1 else ""
        often = "never" if expected == 0 else f"in {100 * expected:.2f}% of all draws"
        return f"Index {place[-1]} is drawn {100 * mean:.2f}% of the time{where}; it has to be drawn {often}."

    return Statistic(name, rule, case, of, expected, told, advice, draws)


def Apart(
    name: str,
    rule: str,
    case: str,
    probabilities: Callable[[Mapping[str, Any]], Any],
    *,
    draws: int = 4096,
    advice: str = "",
) -> Statistic:
    """The places of a batch, a few, are drawn independently: any two agree as often as two who know nothing of each
    other."""

    def pairs(count):
        later, earlier = np.tril_indices(count, -1)
        return earlier, later

    def of(drawn, inputs):
        flat = np.asarray(drawn).reshape(len(drawn), -1)
        one, other = pairs(flat.shape[1])
        return flat[:, one] == flat[:, other]

    def expected(inputs):
        p = np.asarray(probabilities(inputs), np.float64)
        p = p.reshape(-1, p.shape[-1])
        one, other = pairs(len(p))
        alike = (p[one] * p[other]).sum(-1)
        return alike, alike * (1 - alike), np.maximum(alike, 1 - alike)

    def told(place, mean, expected):
        one, other = (int(numbers[place[0]]) for numbers in pairs(place[0] + 2))
        return (
            f"Places {one} and {other} agree in {100 * mean:.1f}% of all draws; independent ones do in "
            f"{100 * expected:.1f}%."
        )

    return Statistic(
        name,
        rule,
        case,
        of,
        expected,
        told,
        advice
        or "Draw with one key for all of it, of the batch's shape, or split the key: a key that is used twice draws "
        "the same twice.",
        draws,
    )
