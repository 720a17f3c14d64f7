"""Points: what a verdict is worth, and what each problem is worth beside the others.

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
import tomllib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from grader.classroom.book.late import Policy
from grader.course.cases import CLAIM_KINDS, TRANSFORMS
from grader.course.problem import Problem
from grader.course.select import UsageError
from grader.course.verdict import EntryVerdict, Finding, Status, Verdict
from grader.process import store

NAME = "grading.toml"
VALUES, CLAIMS, WHOLE = 6, 3, 1
WORTH = {"values": VALUES, "claims": CLAIMS, "whole": WHOLE}
MOST = 0.99  # of what did not pass
FIRST = """# How verdicts become points. Change it and run the same command again: nothing has to be graded anew.

# true: a problem that did not pass earns points for the checks that did. false: all or nothing.
partial = true

# The total of a student is scaled to this number.
maximum = 100

# Late work. Take the `#` away for what is to hold. Days are counted from `due`, by Moodle's dates or Git's; without `due`, as Canvas or Moodle says.
# [late]
# due = 2025-03-01T23:59:00+01:00
# grace = 30                # minutes that cost nothing
# per_day = 10              # per cent of a problem's points, for each day begun
# most = 50                 # per cent at most
# [late.extensions]         # days more, by name, login or number
# ada = 3
# [late.days]               # days late, where you know it better: Canvas does not say how late something is
# bela = 2

# Groups: one submission, and its grade for each of several students, by name, login or number.
# [groups]
# team_a = ["ada", "bela"]

# What each problem is worth beside the others, as points in grades.csv. 0: it is graded, and does not count.
[weights]
"""  # noqa: E501


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


# Weights


@dataclass(frozen=True)
class Grading:
    """How credits become points: a problem's points are its weight times the share, and a total is scaled to
    `maximum`."""

    weights: Mapping[int, float] = field(default_factory=dict)
    partial: bool = True
    maximum: float = 100.0
    late: Policy = Policy()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def total(self, points: Mapping[int, float]) -> float:
        weights = sum(self.weights.values())
        return (
            sum(points.get(problem, 0.0) for problem, weight in self.weights.items() if weight) / weights * self.maximum
            if weights
            else 0.0
        )


def shown(points: float) -> str:
    """Points as people write them: at most two decimals."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def read_grading(path: Path, problems: Iterable[Problem], known: Iterable[Problem]) -> Grading:
    """The grading.toml at `path`, written where it is missing, and with a line more for each of `problems` that it does
    not have.

    `known` are all problems of the course, of which it may speak.

    Raises:
        UsageError: it is no TOML, or says something that makes no sense. It is left as it is.
    """
    problems = list(problems)
    if not path.exists():
        _write(path, FIRST + "".join(f"{_line(problem)}\n" for problem in problems))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8") from error
    found = _parsed(path, text)
    grading = _checked(path, found, {problem.number for problem in known})
    new = [problem for problem in problems if problem.number not in grading.weights]
    if not new:
        return grading
    for problem in new:
        text = _with(text, problem) or _refused(
            path, f"says nothing of problem {problem.number}; add a line `{_line(problem)}` below [weights]"
        )
    _write(path, text)
    return replace(grading, weights={**grading.weights, **{problem.number: 1.0 for problem in new}})


def _line(problem: Problem) -> str:
    title = "".join(letter if letter.isprintable() else " " for letter in problem.title)
    return f"{problem.number} = 1{' ' * max(1, 10 - len(str(problem.number)))}# {title}"


def _with(text: str, problem: Problem) -> str:
    """The text with a line more, which changes nothing else that it says; nothing where there is no such line."""
    wanted = tomllib.loads(text)
    wanted["weights"] = {**wanted.get("weights", {}), str(problem.number): 1}
    text = text if text.endswith("\n") or not text else f"{text}\n"
    for line in (_line(problem), f"weights.{_line(problem)}", f"\n[weights]\n{_line(problem)}"):
        longer = f"{text}{line}\n"
        try:
            if tomllib.loads(longer) == wanted:
                return longer
        except tomllib.TOMLDecodeError:
            continue
    return ""


def _parsed(path: Path, text: str) -> dict:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from error


def _checked(path: Path, found: dict, known: set[int]) -> Grading:
    unknown = sorted({*found} - {"partial", "maximum", "weights", "late", "groups"})
    if unknown:
        _refused(
            path,
            f"says `{unknown[0]}`, which means nothing here; there are partial, maximum, [late], [groups] and "
            f"[weights]",
        )
    partial, maximum, weights = found.get("partial", True), found.get("maximum", 100), found.get("weights", {})
    if not isinstance(partial, bool):
        _refused(path, "says partial = something that is neither true nor false")
    if not _is_number(maximum) or maximum <= 0:
        _refused(path, "says maximum = something that is no number above 0")
    if not isinstance(weights, dict):
        _refused(
            path,
            "has weights that are no table; write [weights] and below it one line for each problem, such as 31 = 1",
        )
    for name, weight in weights.items():
        if not name.isdecimal() or int(name) not in known:
            _refused(
                path,
                f"gives a weight to {name!r}, which is no problem of this course; there are "
                f"{', '.join(map(str, sorted(known)))}",
            )
        if not _is_number(weight) or weight < 0:
            _refused(path, f"gives problem {name} a weight that is no number from 0 up")
    return Grading(
        {int(name): float(weight) for name, weight in weights.items()},
        partial,
        float(maximum),
        _late(path, found.get("late", {})),
        _groups(path, found.get("groups", {})),
    )


def _groups(path: Path, found: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(found, dict) or not all(
        isinstance(names, list) and names and all(isinstance(name, str) and name.strip() for name in names)
        for names in found.values()
    ):
        _refused(
            path,
            "has [groups] that are no lists of names; write below it one line for each group, such as team_a = "
            '["ada", "bela"]',
        )
    return {group: tuple(names) for group, names in found.items()}


def _late(path: Path, found: object) -> Policy:
    if not isinstance(found, dict):
        _refused(
            path,
            "has late as something else than a table; write [late] and below it `due`, `grace`, `per_day` and `most`",
        )
    unknown = sorted({*found} - {"due", "grace", "per_day", "most", "extensions", "days"})
    if unknown:
        _refused(
            path,
            f"says `{unknown[0]}` below [late], which means nothing there; there are due, grace, per_day, most, "
            f"extensions and days",
        )
    due = found.get("due")
    if due is not None and not isinstance(due, datetime):
        _refused(
            path, "has a `due` that is no date with a time; write it like 2025-03-01T23:59:00+01:00, without quotes"
        )
    numbers = {name: found.get(name, usual) for name, usual in (("grace", 0), ("per_day", 0), ("most", 100))}
    for name, number in numbers.items():
        if not _is_number(number) or number < 0 or name != "grace" and number > 100:
            _refused(
                path, f"has a `{name}` below [late] that is no number from 0 {'up' if name == 'grace' else 'to 100'}"
            )
    for name in ("extensions", "days"):
        table = found.get(name, {})
        if not isinstance(table, dict) or not all(_is_number(days) and 0 <= days < 10_000 for days in table.values()):
            _refused(
                path, f"has [late.{name}] that gives somebody something else than a number of days, such as `ada = 3`"
            )
    return Policy(
        due.astimezone() if due and due.tzinfo is None else due,
        timedelta(minutes=numbers["grace"]),
        numbers["per_day"] / 100,
        numbers["most"] / 100,
        found.get("extensions", {}),
        found.get("days", {}),
    )


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refused(path: Path, why: str):
    raise UsageError(f"{path} {why}")


def _write(path: Path, text: str) -> None:
    if not store.write(path, text.encode()):
        raise OSError(f"{path} cannot be written")
