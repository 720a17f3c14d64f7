"""A verdict as a student may read it: nothing of what was expected for a secret input, and nothing of the machine that
graded.

Expected values are in a Difference: in its arrays, in the first wrong value and in the plane of its pictures. Together
with what came, the size of the error gives them as well, and so does the sentence that tells it. What is left says
where it is wrong, what came, and how far off it is by one digit: enough to find the mistake, and no help in writing the
answers down. Of whole numbers not even that is left, since one digit may be all of one. A boolean that is wrong tells
what it should have been: nothing can be done about that. What a contract says of shapes, types, names and errors is no
secret, and stays.

An instructor's JSON, as the gradebook keeps it, has all of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from grader.course.verdict import Difference, Finding, Verdict
from grader.report.words import PRINTED_LINES, failing_first

MOST_LINES, MOST_LETTERS, MOST_PRINTS = PRINTED_LINES, 160, 2
CUT = "… (the rest was cut)"


def discreet(verdict: Verdict) -> Verdict:
    """The verdict without any expected value."""
    return _each(verdict, _discreet_finding)


def moved(verdict: Verdict, place: str, folders: Sequence[str] = ()) -> Verdict:
    """The verdict on the file at `place`, as the student knows it, whatever it was graded as. No folder of `folders` is
    told, in any text."""
    hidden = [folder.rstrip("/\\") for folder in sorted(folders, key=len, reverse=True)]

    def told(text: str) -> str:
        if "/" in verdict.path:
            text = text.replace(verdict.path, place)
        for folder in filter(None, hidden):
            text = re.sub(rf"{re.escape(folder)}(?![\w.-])", "…", text)
        return text

    def finding(found: Finding) -> Finding:
        return replace(
            found,
            summary=told(found.summary),
            detail=told(found.detail),
            advice=told(found.advice),
            lines=tuple((number, function, told(source)) for number, function, source in found.lines),
        )

    return replace(
        _each(verdict, finding),
        path=place,
        prints=tuple((where, told(text)) for where, text in verdict.prints),
        notes=tuple(map(told, verdict.notes)),
    )


def shortened(verdict: Verdict) -> Verdict:
    """The verdict with what was printed cut short."""
    return replace(
        verdict, prints=tuple((where, _cut(text.splitlines())) for where, text in failing_first(verdict)[:MOST_PRINTS])
    )


def _cut(lines: Sequence[str]) -> str:
    kept = [line if len(line) <= MOST_LETTERS else f"{line[:MOST_LETTERS]} …" for line in lines[:MOST_LINES]]
    return "\n".join(kept if len(lines) <= MOST_LINES else [*kept[:-1], CUT])


def _each(verdict: Verdict, change: Callable[[Finding], Finding]) -> Verdict:
    entries = tuple(replace(entry, findings=tuple(map(change, entry.findings))) for entry in verdict.entries)
    return replace(verdict, entries=entries, trouble=verdict.trouble and change(verdict.trouble))


def _discreet_finding(finding: Finding) -> Finding:
    difference = finding.difference
    if difference is None:
        return finding
    coarse = _coarse(difference)
    return replace(finding, summary=finding.summary.replace(difference.off_by, coarse.off_by), difference=coarse)


def _coarse(difference: Difference) -> Difference:
    from grader.report import picture

    told = picture.told(difference)
    plane = told.plane and replace(told.plane, expected=None)
    whole = isinstance(told.came, (bool, int))
    return Difference(
        difference.leaf,
        None,
        None,
        None,
        0.0 if whole else _one_digit(difference.largest),
        0.0 if whole else _one_digit(difference.allowed),
        replace(told, expected=None, plane=plane),
    )


def _one_digit(number: float) -> float:
    return float(f"{number:.0e}") if math.isfinite(number) else 0.0
