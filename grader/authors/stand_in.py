"""Puts a reference or a mistake in a stub's place, so that it goes the way of student code."""

from __future__ import annotations

from pathlib import Path

from grader.authors.reference import wrong_answer
from grader.course import problem as course
from grader.course.cases import Function
from grader.course.problem import discover


def names(root: Path, number: int, mistake: str) -> dict:
    """What a stub would define: the reference's names, one of them wrong in the way of the mistake with that id ("" for
    none)."""
    problem = next(p for p in discover(root) if p.number == number)
    reference = course.load(problem.solutions / "reference.py", "reference")
    found = {entry.name: getattr(reference, entry.name) for entry in problem.entries}
    for known in course.mistakes(problem.solutions / "mistakes.py") if mistake else ():
        if known.id == mistake:
            entry = next(e for e in problem.entries if e.name == (known.entry or problem.entries[0].name))
            found[entry.name] = wrong_answer(known, found[entry.name], isinstance(entry, Function))
    return found
