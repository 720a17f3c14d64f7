"""The rules of a class: what each problem is worth beside the others, what late work costs, who hands in together. They
stand in a file that is the instructor's to change.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from grader.classroom.book.late import Policy
from grader.course.problem import Problem
from grader.course.select import UsageError
from grader.process import store

NAME = "grading.toml"
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
