"""Names the mistake: the known wrong answer whose outcome is the attempt's on every call."""

from __future__ import annotations

from collections.abc import Mapping

from grader.course.verdict import Outcome
from grader.key.compare import DRAWN, agree, compare, distance
from grader.key.key import Answer, KnownMistake

CLOSE = 1e-4


def diagnose(
    entry: str,
    outcomes: Mapping[int, Outcome],
    answers: Mapping[int, Answer],
    mistakes: list[KnownMistake],
    broken: Mapping[int, bool],
) -> KnownMistake | None:
    """The mistake that explains `outcomes`, or None. Where several do, the closest: on average over its calls off by
    the smallest part of what is allowed, so that no call decides whose numbers are large or of half precision.

    `broken` tells for each call that differs from the key, or whose relation does not hold, that it does: a mistake
    must explain each of these that it has an outcome for, and at least one of them.
    """
    fitting = []
    for mistake in mistakes:
        if mistake.entry != entry:
            continue
        told = False
        for id, theirs in mistake.outcomes.items():
            mine = outcomes.get(id)
            if mine is None or not explains(theirs, mine, answers.get(id)):
                break
            told = told or broken.get(id, False)
        else:
            if told:
                fitting.append(mistake)

    def off(mistake: KnownMistake) -> float:
        parts = [_off(theirs, outcomes[id], answers.get(id)) for id, theirs in mistake.outcomes.items()]
        return sum(parts) / len(parts)

    return min(fitting, key=off, default=None)


def explains(theirs: Outcome, mine: Outcome, answer: Answer | None) -> bool:
    """Whether what a mistake gives at a call is what the attempt gave."""
    return agree(theirs, mine, _allowed(theirs, answer)) or _both_right(theirs, mine, answer)


def _off(theirs: Outcome, mine: Outcome, answer: Answer | None) -> float:
    """Of two outcomes that agree, the part of what is allowed by which they are apart."""
    if theirs.failure or mine.failure:
        return 0.0
    allowed = _allowed(theirs, answer)
    parts = (
        distance(Outcome("array", {"": array}), Outcome("array", {"": mine.leaves.get(leaf, array)})) / allowed[leaf]
        for leaf, array in theirs.leaves.items()
        if allowed[leaf]
    )
    return max(parts, default=0.0)


def _both_right(theirs: Outcome, mine: Outcome, answer: Answer | None) -> bool:
    """Both fail in the way that the contract asks for, whatever words they use."""
    return bool(
        answer
        and answer.outcome.failure
        and compare(answer.outcome, theirs, {}) is None
        and compare(answer.outcome, mine, {}) is None
    )


def _allowed(theirs: Outcome, answer: Answer | None) -> dict[str, float]:
    """How far an attempt may be from a mistake's outcome: what rounding explains, and always nearer to it than to the
    right answer."""
    import numpy as np

    allowed = {}
    for leaf, array in theirs.leaves.items():
        finite = np.abs(array[np.isfinite(array)].astype(np.float64)) if array.dtype.kind not in "b" else np.zeros(0)
        rounding = CLOSE * float(finite.max(initial=0.0))
        least = answer.allowed.get(leaf, 0.0) if answer else 0.0
        if (
            answer
            and not answer.outcome.failure
            and leaf in answer.outcome.leaves
            and answer.outcome.leaves[leaf].shape == array.shape
        ):
            apart = distance(Outcome("array", {"": array}), Outcome("array", {"": answer.outcome.leaves[leaf]}))
            rounding = min(rounding, apart / 4)
        allowed[leaf] = DRAWN if least is DRAWN else max(rounding, least)
    return allowed
