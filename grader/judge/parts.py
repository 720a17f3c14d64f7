"""Which part of the work is at fault, where no known mistake explains an attempt: all that is wrong stands where that
part shows, and what stands elsewhere is right."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from grader.course.calls import Call
from grader.course.cases import Entry, Part
from grader.course.verdict import Finding, Outcome, Status
from grader.key.compare import compare
from grader.key.key import Answer

VALUES = ("eager", "jit")  # the first of them that a case is tried under tells what is wrong of its values


def part_at_fault(
    entry: Entry, calls: Sequence[Call], outcomes: Mapping[int, Outcome], answers: Mapping[int, Answer]
) -> Part | None:
    """The first part of an entry that holds every wrong value, if every case came back."""
    if not entry.parts:
        return None
    tried = [*_tried(entry, calls, outcomes, answers)]
    if None in tried:
        return None
    # the wrong ones first, by which most parts are ruled out
    tried.sort(key=lambda case: not case[-1].any())
    if not tried or not tried[0][-1].any():
        return None
    return next((part for part in entry.parts if (_shows if part.shown else _holds)(part, tried)), None)


def _shows(part: Part, tried: list[tuple]) -> bool:
    return all(came is not None and bool(part.shown(inputs, expected, came)) for inputs, expected, came, _ in tried)


def _holds(part: Part, tried: list[tuple]) -> bool:
    """Whether all that is wrong needs the part, and at least half of the cases that need it are wrong; not if
    everything needs it."""
    needed = [np.broadcast_to(part.needed(inputs, expected.shape), expected.shape) for inputs, expected, *_ in tried]
    if all(need.all() for need in needed) or any((wrong & ~need).any() for need, (*_, wrong) in zip(needed, tried)):
        return False
    needing = [bool(wrong.any()) for need, (*_, wrong) in zip(needed, tried) if need.any()]
    return 2 * sum(needing) >= len(needing)


def _tried(
    entry: Entry, calls: Sequence[Call], outcomes: Mapping[int, Outcome], answers: Mapping[int, Answer]
) -> Iterator[tuple | None]:
    """Of each case its inputs, the expected output, the output that came where it can be compared, and where that is
    wrong; None for one that did not come back."""
    first = {}
    for call in sorted(
        (call for call in calls if call.check.kind in VALUES and call.check.case in entry.cases),
        key=lambda call: VALUES.index(call.check.kind),
    ):
        first.setdefault(call.check.case, call)
    for call in first.values():
        outcome, answer = outcomes.get(call.id), answers[call.id]
        if answer.outcome.failure or answer.outcome.structure != "array":
            continue
        if outcome is None:
            yield None
            continue
        expected, mismatch = answer.outcome.leaves[""], compare(answer.outcome, outcome, answer.allowed)
        comparable = mismatch is None or mismatch.difference is not None
        wrong = (
            np.zeros(expected.shape, bool)
            if mismatch is None
            else mismatch.difference.wrong
            if comparable
            else np.ones(expected.shape, bool)
        )
        yield call.arguments(call.arrays), expected, outcome.leaves[""] if comparable else None, wrong


def told_part(findings: list[Finding], part: Part | None) -> list[Finding]:
    """The findings, with what a part says as the advice of the first wrong value, if that comes first and has no other
    advice."""
    first = next((number for number, finding in enumerate(findings) if finding.status == Status.FAILED), None)
    if part is None or first is None or findings[first].difference is None or findings[first].advice:
        return findings
    return [
        dataclasses.replace(finding, advice=part.sentence) if number == first else finding
        for number, finding in enumerate(findings)
    ]
