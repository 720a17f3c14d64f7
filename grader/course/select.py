"""What a command is about: the problems that `31-33` names, and the console that it prints to."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence

from grader.course.problem import CourseError, Problem, course_root, discover


class UsageError(Exception):
    """The command is at fault; the message says what would be right."""


def select(texts: Sequence[str], problems: list[Problem]) -> list[Problem]:
    """The problems that `31`, `31-33`, `31,33` or `all` name, in order and once each."""
    by_number = {problem.number: problem for problem in problems}
    chosen: list[int] = []
    for text in (part for argument in texts for part in argument.split(",") if part):
        first, dash, last = text.partition("-")
        if text == "all":
            chosen += by_number
        elif dash and first.isdigit() and last.isdigit():
            within = [number for number in by_number if int(first) <= number <= int(last)]
            if not within:
                raise UsageError(f"there is no problem from {first} to {last}; there are {_spoken(by_number)}")
            chosen += within
        elif first.split("_")[0].isdigit() and not dash and int(first.split("_")[0]) in by_number:
            chosen.append(int(first.split("_")[0]))
        else:
            raise UsageError(f"there is no problem {text!r}; there are {_spoken(by_number)}")
    return [by_number[number] for number in dict.fromkeys(chosen)]


def _spoken(numbers) -> str:
    return ", ".join(map(str, numbers)) or "none"


def one_problem(text: str) -> Problem:
    """The problem that a text names, when it names one."""
    chosen = select([text], every_problem())
    if len(chosen) != 1:
        raise UsageError(f"name one problem, such as {chosen[0].number}")
    return chosen[0]


def every_problem() -> list[Problem]:
    """The problems of this checkout; there is at least one."""
    problems = discover(course_root())
    if not problems:
        raise CourseError(f"there are no problems in {course_root() / 'problems'}")
    return problems


def console_for(stderr: bool = False):
    """A console of at most 100 columns; 80 where nobody says how wide it is."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        return Console(stderr=stderr, highlight=False, width=80)
    return console if console.width <= 100 else Console(stderr=stderr, highlight=False, width=100)


def need(extra: str, *modules: str) -> None:
    """Raises UsageError, before anything runs, where a package of one of the extras is not installed."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{missing[0]} is not installed; this needs the extra {extra}: pip install -e '.[{extra}]'")
