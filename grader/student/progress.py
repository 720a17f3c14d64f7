"""Where a student stands on each problem: told from the stub and what is remembered, without running anything."""

from __future__ import annotations

from collections.abc import Sequence

from grader.course.problem import Problem
from grader.course.verdict import Status, Verdict
from grader.process import store
from grader.process.stub import open_stub, shown_path
from grader.report.words import COMMAND

ALL_SOLVED = "every problem here is solved"


def where_it_stands(problem: Problem) -> tuple[str, str]:
    """A problem's state in words, and the style to show it in."""
    stub = open_stub(problem)
    if stub.trouble and stub.trouble.status == Status.NOT_WRITTEN:
        return "not started", "dim"
    if not stub.content:
        return "the stub is missing", "red"
    kept, digest = store.recall(problem.folder.parents[1], problem.name), store.digest(stub.content)
    if kept.get("passed") == digest:
        return "passed", "green"
    if kept.get("digest") == digest:
        return "not written yet" if kept.get("status") == Status.NOT_WRITTEN.value else "failing", "red"
    if kept.get("passed"):
        return "passed, but changed since", "yellow"
    return "changed, not graded yet" if kept.get("digest") is None else "failing, changed since", "yellow"


def next_step(problem: Problem, told: str) -> str:
    """What to do about a problem that stands as `where_it_stands` told."""
    number, stub = problem.number, shown_path(problem, problem.stub)
    if told == "not started":
        return f"problem {number}: {COMMAND} lesson {number}\nthen  fill in {stub}"
    if told == "the stub is missing":
        return f"put the stub of {number} back: {COMMAND} reset {number}"
    if told == "not written yet":
        return f"fill in the TODO in {stub}\nor    {COMMAND} lesson {number}"
    again = "" if told.startswith("changed, not graded") else " again"
    return f"grade {number}{again}: {COMMAND} {number}" + (
        f"   or   {COMMAND} hint {number}" if told.startswith("failing") else ""
    )


def after(problem: Problem, problems: Sequence[Problem]) -> Problem | None:
    """The problem that comes next; after the last one, the first that is not solved yet."""
    following = next((other for other in problems if other.number > problem.number), None)
    return following or first_unsolved([other for other in problems if other != problem])


def first_unsolved(problems: Sequence[Problem]) -> Problem | None:
    return next((problem for problem in problems if where_it_stands(problem)[0] != "passed"), None)


def remember(problem: Problem, content: bytes, verdict: Verdict) -> bool:
    """Keeps the verdict on the problem's own stub."""
    digest = store.digest(content)
    changes = dict(status=verdict.status.value, digest=digest)
    if verdict.status == Status.PASSED:
        changes["passed"] = digest
    return store.remember(problem.folder.parents[1], problem.name, **changes)
