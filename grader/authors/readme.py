"""The picture that README.md begins with: the verdict on the attempt that `demo` shows."""

from __future__ import annotations

from pathlib import Path

from grader.course.problem import CourseError, Problem
from grader.judge.grade import grade
from grader.process import store
from grader.process.stub import shown_path
from grader.report import svg
from grader.report.words import COMMAND

PICTURE = "grader/report/verdict.svg"


def draw(root: Path, problems: list[Problem], console) -> None:
    problem = next(problem for problem in problems if problem.attempt.exists())
    command = f"{COMMAND} {problem.number} --file {shown_path(problem, problem.attempt)}"
    if not store.write(root / PICTURE, svg.drawn(grade(problem, problem.attempt), command).encode()):
        raise CourseError(f"{PICTURE} cannot be written")
    console.print(f"{PICTURE} shows the verdict on {problem.attempt.name} of {problem.number}", markup=False)
