"""The verdict on what arrived and could not be read: it is told apart from a wrong answer."""

from __future__ import annotations

from grader.classroom.arrivals.submission import Piece
from grader.course.problem import Problem
from grader.course.verdict import Check, EntryVerdict, Finding, Status, Verdict

ARRIVAL = Check("", "arrival")


def unread(problem: Problem, piece: Piece) -> Verdict:
    """Says what is wrong with the piece; nothing of it was run."""
    return Verdict(
        problem.number,
        problem.name,
        problem.title,
        piece.place,
        Status.FAILED,
        tuple(EntryVerdict(name, Status.FAILED) for name in problem.names),
        Finding(
            ARRIVAL,
            Status.FAILED,
            piece.trouble,
            advice="Nothing was run. This says nothing about your answer: hand it in again.",
        ),
    )


def is_unread(verdict: Verdict) -> bool:
    return bool(verdict.trouble and verdict.trouble.check == ARRIVAL)
