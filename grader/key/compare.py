"""Key against answer: structure, shape, dtype, NaN, values. Pure functions of data."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from grader.course.trees import same
from grader.course.verdict import Difference, Outcome

DRAWN = None  # in the place of an allowed error: what is drawn has no expected values

EIGHT_BITS_OF_EXPONENT, HUGE = ("float32", "bfloat16"), 1e37  # a thirtieth of the largest number of these types


@dataclass(frozen=True)
class Mismatch:
    """The first way in which an outcome misses the expected one, from the coarsest: failure, structure, shape, dtype,
    nan, values."""

    way: str
    expected: object = None
    came: object = None
    leaf: str = ""
    difference: Difference | None = None


def compare(expected: Outcome, came: Outcome, allowed: dict[str, float]) -> Mismatch | None:
    """None when the outcome is as expected; `allowed` is the largest absolute error for each leaf (0 where it names
    none), or DRAWN where any values are right."""
    if expected.failure or came.failure:
        if expected.failure and came.failure and came.failure.is_a(expected.failure.type):
            return None
        return Mismatch("failure", expected.failure, came.failure)
    places = same(expected.structure, came.structure)
    if places is None:
        return Mismatch("structure", expected.structure, came.structure)
    pairs = [(leaf, right, came.leaves[places[leaf]]) for leaf, right in expected.leaves.items()]
    for leaf, right, mine in pairs:
        if right.shape != mine.shape:
            return Mismatch("shape", right.shape, mine.shape, leaf)
    for leaf, right, mine in pairs:
        if right.dtype != mine.dtype:
            return Mismatch("dtype", right.dtype.name, mine.dtype.name, leaf)
    for leaf, right, mine in pairs:
        if (most := allowed.get(leaf, 0.0)) is DRAWN:
            continue
        difference = differ(leaf, right, mine, most)
        if difference:
            way = "nan" if not np.isfinite(_float(difference.came)[difference.wrong]).all() else "values"
            return Mismatch(way, leaf=leaf, difference=difference)
    return None


def differ(leaf: str, expected: np.ndarray, came: np.ndarray, allowed: float) -> Difference | None:
    """Where the values are further from the expected ones than allowed; NaN and inf must stand in the same places."""
    if expected.dtype.kind in "biu":
        wrong = expected != came
        if not wrong.any():
            return None
        largest = 0.0 if expected.dtype.kind == "b" else float(np.abs(_float(expected) - _float(came)).max())
        return Difference(leaf, expected, came, wrong, largest, 0.0)
    right, mine = _float(expected), _float(came)
    with np.errstate(invalid="ignore"):
        error = np.abs(right - mine)
    special = ~np.isfinite(right) | ~np.isfinite(mine)
    same_special = (right == mine) | (np.isnan(right) & np.isnan(mine))
    wrong = np.where(special, ~same_special, error > allowed)
    if not wrong.any():
        return None
    finite = error[wrong & ~special]
    return Difference(leaf, expected, came, wrong, float(finite.max()) if finite.size else float("inf"), allowed)


def agree(one: Outcome, other: Outcome, allowed: dict[str, float]) -> bool:
    """Whether an attempt's outcome is a mistake's. Two failures agree when they are of one type and say the same but
    for numbers."""
    if one.failure and other.failure:
        return one.failure.type == other.failure.type and _wordless(one.failure.message) == _wordless(
            other.failure.message
        )
    return compare(_beyond(one), _beyond(other), allowed) is None


def _beyond(outcome: Outcome) -> Outcome:
    """The outcome with what is nearly too large for its type as infinite: of two programs that say the same, one rounds
    it to infinity and the other does not. For naming only; to a verdict they are two answers."""
    leaves = {
        leaf: _overflowed(array) if array.dtype.name in EIGHT_BITS_OF_EXPONENT else array
        for leaf, array in outcome.leaves.items()
    }
    return replace(outcome, leaves=leaves)


def _overflowed(array: np.ndarray) -> np.ndarray:
    huge = np.abs(_float(array)) > HUGE
    return (
        np.where(huge, np.copysign(np.inf, _float(array)), _float(array)).astype(array.dtype) if huge.any() else array
    )


def distance(one: Outcome, other: Outcome) -> float:
    """The largest difference between two outcomes of the same structure, inf where they cannot be compared."""
    if one.failure or other.failure or one.leaves.keys() != other.leaves.keys():
        return 0.0 if one.failure and other.failure and one.failure.type == other.failure.type else float("inf")
    worst = 0.0
    for leaf, a in one.leaves.items():
        b = other.leaves[leaf]
        if a.shape != b.shape:
            return float("inf")
        found = differ(leaf, a, b, 0.0)
        worst = max(worst, found.largest if found else 0.0)
    return worst


def _float(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64)


def _wordless(message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else ""
    return re.sub(r"\d+", "#", first)[:80]
