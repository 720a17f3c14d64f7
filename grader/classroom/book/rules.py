"""The rules of a class: what each problem is worth beside the others, what late work costs, who hands in together. They
stand in a file that is the instructor's to change.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from grader.classroom.book import amend
from grader.classroom.book.amend import key_of, line_of, told
from grader.classroom.book.late import Policy
from grader.classroom.book.points import exact
from grader.course.problem import Problem
from grader.course.select import UsageError
from grader.process import store

NAME = "grading.toml"
A_GROUP = 'team_a = ["ada", "bela"]'
PARTIAL = """# true: a problem that did not pass earns points for the checks that did. false: all or nothing.
partial = true
"""
LATE = """# [late]
# due = 2025-03-01T23:59:00+01:00
# grace = 30                # minutes that cost nothing
# per_day = 10              # per cent of a problem's points, for each day begun
# most = 50                 # per cent at most
"""
NAMES = """# A name with more in it than the letters from a to z, digits, `_` and `-` stands between quotes: one with blanks, dots, `@`, an accent."""  # noqa: E501
FIRST = f"""# How verdicts become points. Change it and run the same command again: nothing has to be graded anew.

{PARTIAL}
# The total of a student is scaled to this number.
maximum = 100

# Late work. Take the `#` away for what is to hold. Days are counted from `due`, by Moodle's dates or Git's; without `due`, as Canvas or Moodle says.
{NAMES}
{LATE}# [late.extensions]         # days more, by name, login or number
# ada = 3
# "Dr. Bela O'Neil" = 2
# "chidi@example.org" = 1.5
# [late.days]               # days late, where you know it better: Canvas does not say how late something is
# bela = 2

# Groups: one submission, and its grade for each of several students, by name, login or number. It is called as on the
# left, or one of them alone hands it in; then the left is any name.
# [groups]
# team_a = ["ada", "Dr. Bela O'Neil"]
# "Team 7" = ["chidi@example.org", "4711"]

# What each problem is worth beside the others, as points in grades.csv. 0: it is graded, and does not count.
[weights]
"""  # noqa: E501
OF_AN_AUTOGRADER = f"""# How verdicts become points on Gradescope. They are packed into the autograder: after a change build it again, and upload it.

{PARTIAL}
# What the points of all problems add up to: the same number as the assignment's autograder points on Gradescope.
maximum = 100

# Late work. Take the `#` away for what is to hold. Days are counted from `due`, and who has more time on Gradescope has as much more; without `due`, from Gradescope's own due date.
{NAMES}
{LATE}# [late.extensions]         # days more than on Gradescope, by name, address or number there
# "ada@example.org" = 3
# "Dr. Bela O'Neil" = 2
# [late.days]               # days late, where you know it better
# "chidi@example.org" = 2

# What each problem is worth beside the others. 0: it is graded, and does not count.
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
        """The sum of the points; where it is scaled, in hundredths."""
        weights = sum(self.weights.values())
        earned = sum(points.get(problem, 0.0) for problem, weight in self.weights.items() if weight)
        if not weights or weights == self.maximum:
            return exact(earned if weights else 0.0)
        return round(exact(earned) * self.maximum / weights, 2)


def read_grading(path: Path, problems: Iterable[Problem], known: Iterable[Problem], first: str = FIRST) -> Grading:
    """The grading.toml at `path`, written where it is missing, and with a line more for each of `problems` that it does
    not have.

    `known` are all problems of the course, of which it may speak; `first` is how a new one begins.

    Raises:
        UsageError: it is no TOML, or says something that makes no sense. It is left as it is.
    """
    problems = list(problems)
    if not path.exists():
        _write(path, first + "".join(f"{_line(problem)}\n" for problem in problems))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8") from error
    found = _parsed(path, text)
    grading = _checked(path, found, {problem.number for problem in known}, text)
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
    line = f"{_line(problem)}\n"
    below = re.search(r"^[^\S\n]*\[[^\S\n]*weights[^\S\n]*\].*\n(?:[^\S\n]*[^\s\[].*\n)*", text, re.MULTILINE)
    for longer in (
        text + line,
        f"{text}weights.{line}",
        text[: below.end()] + line + text[below.end() :] if below else "",
        f"{text}\n[weights]\n{line}",
    ):
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
        raise UsageError(f"{path} {told(text, error)}") from error


def _checked(path: Path, found: dict, known: set[int], text: str) -> Grading:
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
        _late(path, found.get("late", {}), text),
        _groups(path, found.get("groups", {}), text),
    )


def _groups(path: Path, found: object, text: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(found, dict):
        _refused(path, "has groups that are no table; write [groups] and below it one line for each: " + A_GROUP)
    for group, names in found.items():
        _undotted(path, group, names, text)
        if not isinstance(names, list) or not names or not all(isinstance(n, str) and n.strip() for n in names):
            wrong = isinstance(names, str) and [part.strip() for part in names.split(",")]
            instead = f"{key_of(group)} = {json.dumps(wrong, ensure_ascii=False)}" if wrong else A_GROUP
            _refused(path, f"gives the group {group} no list of names{_at(text, group)}; write `{instead}`")
    return {group: tuple(names) for group, names in found.items()}


def _late(path: Path, found: object, text: str) -> Policy:
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
        if not isinstance(table, dict):
            _refused(path, f"has late.{name} that is no table; write [late.{name}] and below it such as `ada = 3`")
        for student, days in table.items():
            _undotted(path, student, days, text)
            if not _is_number(days) or not 0 <= days < 10_000:
                instead, _ = amend.amended(f"{key_of(student)} = {json.dumps(days, default=str)}")
                _refused(
                    path,
                    f"has [late.{name}] that gives {student} something else than a number of days"
                    f"{_at(text, student)}; write `{instead or f'{key_of(student)} = 3'}`",
                )
    return Policy(
        due.astimezone() if due and due.tzinfo is None else due,
        timedelta(minutes=numbers["grace"]),
        numbers["per_day"] / 100,
        numbers["most"] / 100,
        found.get("extensions", {}),
        found.get("days", {}),
    )


def _undotted(path: Path, name: str, value: object, text: str) -> None:
    """Refuses a name whose dots TOML takes for tables in tables."""
    parts = [name]
    while isinstance(value, dict) and len(value) == 1:
        (part, value), *_ = value.items()
        parts.append(part)
    if len(parts) > 1:
        whole = ".".join(parts)
        instead = f"{key_of(whole)} = {json.dumps(value, ensure_ascii=False, default=str)}"
        _refused(path, f"has a name with a dot{_at(text, whole)}; write `{instead}`, since {amend.NAMES}")


def _at(text: str, key: str) -> str:
    """Where a key stands, if that can be told."""
    at = line_of(text, key)
    return f", at line {at}" if at else ""


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refused(path: Path, why: str):
    raise UsageError(f"{path} {why}")


def _write(path: Path, text: str) -> None:
    if not store.write(path, text.encode()):
        raise OSError(f"{path} cannot be written")
