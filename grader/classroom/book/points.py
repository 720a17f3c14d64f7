"""Points: what a verdict is worth.

What is held to be fair:

- Passed is 1, exactly. Not written, untouched, missing and unreadable are 0. Everything between is in whole hundredths,
  and 0.99 at most.
- Each name that a problem asks for counts alike.
- Within a name the values count for 6 parts, claims about the program for 3, and what is asked of the whole
  (parameters, variables, traces, leaks) for 1; parts that a name does not have are shared out among the others. So an
  answer that is right and not economical, where that is what a problem is about, keeps about two thirds.
- Of the values each check counts alike: a case under a transform. A right forward pass with a wrong gradient earns what
  it got right.
- Claims, properties such as causality, and what is asked of the whole count only where every plain call (eager) of the
  name is right. A constant is causal, small and traced once: a wrong program earns nothing for that.
- What could not be checked earns nothing yet. Where the student's own program is not the reason, the credit says how
  much it might be worth, and it is
  flagged: an instructor has to look. The course's own fault is such a case, and so is a file that the grader fails on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from grader.course.cases import CLAIM_KINDS, TRANSFORMS
from grader.course.problem import Problem
from grader.course.verdict import EntryVerdict, Finding, Status, Verdict

VALUES, CLAIMS, WHOLE = 6, 3, 1
WORTH = {"values": VALUES, "claims": CLAIMS, "whole": WHOLE}
MOST = 0.99  # of what did not pass
DIGITS = 6  # decimals of points


@dataclass(frozen=True)
class Part:
    """A part of what a problem asks for: how many checks it has, how many passed, how many of these count, and what all
    of them are worth of the whole problem."""

    name: str
    # one of WORTH, or `all` of a name that passed, or `none` of one that is not written
    kind: str
    checks: int
    passed: int
    counted: int
    worth: float

    @property
    def earned(self) -> float:
        return self.worth * self.counted / self.checks if self.checks else 0.0


@dataclass(frozen=True)
class Credit:
    """What a verdict earns, from 0 to 1, and what it might earn once everything is checked that could not be. `parts`
    are what the share is the sum of, before it is rounded; none where all is earned or nothing."""

    share: float = 0.0
    possible: float = 0.0
    parts: tuple[Part, ...] = field(default=(), compare=False)

    @property
    def open(self) -> bool:
        return self.possible > self.share


def credit(verdict: Verdict, properties: Container[tuple[str, str]] = (), partial: bool = True) -> Credit:
    """What a verdict is worth. `properties` are the (name, case) of those cases that are properties
    (`properties_of`)."""
    if verdict.status == Status.PASSED:
        return Credit(1.0, 1.0)
    if (
        verdict.status == Status.COURSE
        or verdict.unjudged
        or verdict.trouble
        and verdict.trouble.status == Status.UNCHECKED
    ):
        return Credit(0.0, 1.0)
    earned, possible = (
        [part for entry in verdict.entries for part in _parts(entry, properties, verdict, good)]
        for good in (_passed, _open)
    )
    if not _failed(verdict) and any(
        _unexplained(finding, entry, verdict) for entry in verdict.entries for finding in entry.findings
    ):
        most = 1.0  # nothing is wrong that is known
    else:
        most = _hundredths(sum(part.earned for part in possible))
    if not partial:
        return Credit(0.0, math.floor(most))
    return Credit(
        _hundredths(sum(part.earned for part in earned)),
        most,
        tuple(earned) if any(entry.findings for entry in verdict.entries) else (),
    )


def properties_of(problem: Problem) -> frozenset[tuple[str, str]]:
    """The cases of a problem that are properties of several calls, such as causality."""
    return frozenset((entry.name, name) for entry in problem.entries for name in entry.properties)


def _parts(
    entry: EntryVerdict, properties: Container, verdict: Verdict, good: Callable[[Finding, EntryVerdict, Verdict], bool]
) -> list[Part]:
    """The parts of one name, whose worths add up to what the name is worth."""
    whole = 1 / len(verdict.entries)
    checks = len(entry.findings)
    if entry.status in (Status.PASSED, Status.NOT_WRITTEN):
        passed = entry.status == Status.PASSED
        return [
            Part(
                entry.name, "all" if passed else "none", max(checks, 1), checks * passed, max(checks, 1) * passed, whole
            )
        ]

    def is_property(finding: Finding) -> bool:
        return (entry.name, finding.check.case) in properties

    ok = {id(finding): good(finding, entry, verdict) for finding in entry.findings}
    right = all(ok[id(f)] for f in entry.findings if f.check.kind == "eager" and not is_property(f))
    by_kind: dict[str, list[Finding]] = {}
    for finding in entry.findings:
        by_kind.setdefault(
            "values"
            if finding.check.kind in TRANSFORMS
            else "claims"
            if finding.check.kind in CLAIM_KINDS
            else "whole",
            [],
        ).append(finding)
    weighed = sum(WORTH[kind] for kind in by_kind)
    return [
        Part(
            entry.name,
            kind,
            len(found),
            sum(ok[id(f)] for f in found),
            sum(ok[id(f)] and (right or kind == "values" and not is_property(f)) for f in found),
            whole * WORTH[kind] / weighed,
        )
        for kind, found in sorted(by_kind.items(), key=lambda item: -WORTH[item[0]])
    ]


def _passed(finding: Finding, entry: EntryVerdict, verdict: Verdict) -> bool:
    return finding.status == Status.PASSED


def _open(finding: Finding, entry: EntryVerdict, verdict: Verdict) -> bool:
    return finding.status == Status.PASSED or _unexplained(finding, entry, verdict)


def _unexplained(finding: Finding, entry: EntryVerdict, verdict: Verdict) -> bool:
    """Whether a check could not be made, and nothing that the student did says why: no failure, or a claim where all
    else holds."""
    if finding.status != Status.UNCHECKED or verdict.trouble:
        return False
    others_hold = all(f.status == Status.PASSED for f in entry.findings if f.check.kind != "proof")
    return not _failed(verdict) or finding.check.kind == "proof" and others_hold


def _failed(verdict: Verdict) -> bool:
    return bool(verdict.trouble) or any(
        f.status in (Status.FAILED, Status.NOT_WRITTEN) for entry in verdict.entries for f in entry.findings
    )


def _hundredths(share: float) -> float:
    return min(MOST, round(share, 2))


def exact(points: float) -> float:
    """Points as they count everywhere. What costs part of hundredths needs so many digits, and no file has more."""
    return round(points, DIGITS)


def shown(points: float) -> str:
    """Points as people write them: as many decimals as they have."""
    return f"{points:.{DIGITS}f}".rstrip("0").rstrip(".")
