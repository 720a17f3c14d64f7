"""A real verdict in a page: where a page has the mark, stands what a student sees of the typical first attempt at the
first problem."""

from __future__ import annotations

import functools

from grader.course.problem import Problem

MARK = "<!-- an example verdict -->"


def put_into(text: str, problems: list[Problem]) -> str:
    """The page with the verdict in it."""
    tried = next((problem for problem in problems if (problem.folder / "attempt.py").exists()), None)
    if MARK not in text or tried is None:
        return text
    return text.replace(MARK, f"````{{raw}} html\n{_verdict(tried)}\n````")


@functools.cache
def _verdict(problem: Problem) -> str:
    from grader.judge.grade import grade
    from grader.report import page

    return page.verdict_page(grade(problem, problem.folder / "attempt.py"))
