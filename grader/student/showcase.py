"""Runs what a student's own answers to a part of the track can do together, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from grader.course.problem import CourseError, Problem, read
from grader.course.select import UsageError
from grader.process.stub import same_text, shown_path
from grader.report.words import COMMAND


@dataclass(frozen=True)
class Showcase:
    """A script of `grader/student/showcases/`, and the problems whose stubs it puts together."""

    module: str
    numbers: tuple[int, ...]


SHOWCASES = {
    "language-model": Showcase("grader.student.showcases.language_model", tuple(range(41, 48))),
    "long-sequences": Showcase("grader.student.showcases.long_sequences", (33, 39, *range(48, 55))),
}


def showcase(name: str, problems: list[Problem], solutions: bool, console) -> int:
    """Runs a showcase with the stubs, or with the references. Returns its exit code, or 1 where a stub is not written
    yet."""
    if name not in SHOWCASES:
        raise UsageError(f"there is no showcase {name!r}: {', '.join(SHOWCASES)}")
    chosen = SHOWCASES[name]
    by_number = {problem.number: problem for problem in problems}
    if missing := [number for number in chosen.numbers if number not in by_number]:
        raise CourseError(f"this course has no problem {missing[0]}, of which the showcase makes use")
    pieces = [by_number[number] for number in chosen.numbers]
    if solutions and not all(problem.solutions for problem in pieces):
        raise CourseError("--solutions is for a course that has its solutions")
    if not solutions and (open := [problem for problem in pieces if not _is_written(problem)]):
        for problem in open:
            console.print(f"not written yet: {shown_path(problem, problem.stub)}   ({problem.title})", markup=False)
        console.print(
            f"\nThe showcase puts all of them together. next: {COMMAND} lesson {open[0].number}", markup=False
        )
        return 1
    files = [problem.solutions / "reference.py" if solutions else problem.stub for problem in pieces]
    given = [f"{problem.number}={path}" for problem, path in zip(pieces, files)]
    return subprocess.run([sys.executable, "-m", chosen.module, *given], check=False).returncode


def _is_written(problem: Problem) -> bool:
    stub: Path = problem.stub
    return stub.exists() and not same_text(stub.read_bytes(), read(problem.pristine))
