"""Shows what a verdict is: a wrong attempt and what is said of it, the same attempt mended, and where to go from
there."""

from __future__ import annotations

import ast
import difflib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from grader.course.problem import CourseError, Problem
from grader.course.verdict import Status, Verdict
from grader.process.stub import shown_path
from grader.report import terminal
from grader.report.words import COMMAND


def demo(problems: list[Problem], verdict_on: Callable[[Problem, Path], Verdict], console) -> int:
    """Grades `attempt.py` and `mended.py` of the first problem that has both. Returns 0: what fails here is meant
    to."""
    problem = next((p for p in problems if p.attempt.exists() and p.mended.exists()), None)
    if problem is None:
        raise CourseError("no problem here has an attempt to show")
    wrong, right = _code(problem.attempt), _code(problem.mended)
    with terminal.trimmed(console):
        console.print(
            f"An attempt at {problem.number} · {problem.title}, and its verdict:\n", style="bold", markup=False
        )
        console.print(_python(wrong))
    terminal.show(_graded(problem, problem.attempt, Status.FAILED, verdict_on), console, steps=False)
    with terminal.trimmed(console):
        console.print("\nMended, and graded again:\n", style="bold")
        for line in difflib.ndiff(wrong.splitlines(), right.splitlines()):
            if line[0] in "-+":
                console.print(Padding(Text(line, style="red" if line[0] == "-" else "green"), (0, 0, 0, 2)))
        console.print()
    terminal.show(
        _graded(problem, problem.mended, Status.PASSED, verdict_on), console, upcoming="\nthen  ".join(_ahead(problem))
    )
    return 0


def _graded(problem: Problem, path: Path, wanted: Status, verdict_on) -> Verdict:
    verdict = verdict_on(problem, path)
    if verdict.status != wanted:
        told = f": {verdict.trouble.summary}" if verdict.trouble else ""
        raise CourseError(
            f"{shown_path(problem, path)} is to be seen {wanted.value}, and is {verdict.status.value}{told}"
        )
    return verdict


def _code(path: Path) -> str:
    """A file without the text at its head that says what it is."""
    source = path.read_text(encoding="utf-8")
    head = ast.parse(source).body[0]
    return "\n".join(source.splitlines()[head.end_lineno :]).strip("\n")


def _python(code: str):
    shown = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(code)
    shown.rstrip()
    return Padding(shown, (0, 0, 1, 2))


def _ahead(problem: Problem) -> list[str]:
    """The steps to a first verdict of one's own; the environment is activated first, where it is not."""
    activate = Path(sys.prefix) / ("Scripts" if sys.platform == "win32" else "bin") / "activate"
    near = activate.relative_to(Path.cwd()) if activate.is_relative_to(Path.cwd()) else activate
    inactive = activate.exists() and os.environ.get("VIRTUAL_ENV") != sys.prefix
    return [f"source {near}" if sys.platform != "win32" else str(near)] * inactive + [
        f"{COMMAND} lesson {problem.number}",
        f"fill in {shown_path(problem, problem.stub)}",
        f"{COMMAND} {problem.number}",
    ]
