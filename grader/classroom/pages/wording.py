"""What is said of a mark to its student, in words: the same on the page, in Markdown and on Gradescope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grader.classroom.book import reckoning
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.points import CLAIMS, VALUES, WHOLE, shown
from grader.classroom.book.rules import Grading
from grader.classroom.pages.discreet import discreet, moved, shortened
from grader.classroom.pages.told_once import once_each
from grader.course.verdict import Check, Finding, Status, Verdict
from grader.report import words

MISSING = "nothing was handed in"
UNREAD = "could not be read"
BY_HAND = "points by hand"
NOT_YET = "not graded yet"
OPEN = "Not everything could be checked, which is not your mistake. Whoever runs the course has been told."
HOW = (
    "A problem that passed has all of its points. Otherwise each name that it asks for counts alike, {values} of "
    "{all} parts for values, {claims} for claims about the program, {whole} for what is asked of the whole; parts that "
    "a name does not have are shared out among its others. The last two, and properties, count only where every plain "
    "call (eager) is right."
)
ALL_OR_NOTHING = "A problem that passed has all of its points, any other none."
AT_FAULT = "It could not be graded, which is not your mistake. Whoever runs the course has been told."
UNASKED = "It was handed in, and is not graded yet."
UNASKED_LATER = "This is about an earlier version of yours. The last one is not graded yet."
LATER = (
    "This is about an earlier version of yours. The last one could not be graded yet, which is not your mistake. "
    "Whoever runs the course has been told."
)
SIGNS = (
    *(
        (words.MARK[status], status.value)
        for status in (Status.PASSED, Status.FAILED, Status.UNCHECKED, Status.NOT_WRITTEN)
    ),
    (words.NO_CHECK, "does not apply, or has no points"),
)


def told(mark: Mark, folders: Sequence[str] = ()) -> Verdict:
    """The verdict as its student may read it."""
    return of_a_file(mark.grade.verdict, mark.grade.place, folders)


def of_a_file(verdict: Verdict, place: str, folders: Sequence[str]) -> Verdict:
    """The verdict on the file at `place` as its student may read it. What is wrong with the course is not told: it may
    quote a solution."""
    if verdict.status == Status.COURSE:
        verdict = replace(verdict, entries=(), trouble=Finding(Check("", "course"), Status.COURSE, AT_FAULT), prints=())
    verdict = once_each(verdict)
    return replace(shortened(moved(discreet(verdict), place or f"problems/{verdict.name}/stub.py", folders)), notes=())


def standing(mark: Mark) -> tuple[str, str, str]:
    """A mark's sign, what it means, and its class."""
    if mark.unread and not mark.ungraded:
        return words.NO_CHECK, UNREAD, "missing"
    if mark.grade is None:
        return words.NO_CHECK, BY_HAND if mark.override else NOT_YET if mark.ungraded else MISSING, "missing"
    status = mark.grade.status
    return words.MARK[status], status.value, {Status.PASSED: "passed", Status.FAILED: "failed"}.get(status, "")


def points(mark: Mark) -> str:
    return f"{words.NO_CHECK if mark.blank else shown(mark.points)} of {shown(mark.weight)}"


def total(row: Marks) -> str:
    return words.NO_CHECK if row.blank else shown(row.total)


def in_points(mark: Mark) -> str:
    return f"{points(mark)} point{'' if mark.weight == 1 else 's'}"


def how(grading: Grading) -> str:
    return (
        HOW.format(values=VALUES, claims=CLAIMS, whole=WHOLE, all=VALUES + CLAIMS + WHOLE)
        if grading.partial
        else ALL_OR_NOTHING
    )


def by_hand(mark: Mark) -> str:
    """What is said of points that were given by hand, instead of those by checks if there are any."""
    instead = f", instead of {shown(mark.by_checks)} by checks" if mark.grade and not mark.unread else ""
    return f"{shown(mark.points)} points by hand{instead}: {words.sentence(mark.override.reason)}"


def late(mark: Mark) -> str:
    """What is said of late work, down to its points. Points by hand are as they were given."""
    told = words.sentence(mark.late.told)
    if not mark.late.cost or mark.override or mark.blank:
        return told
    return (
        f"{told} {shown(mark.by_checks)} × {shown(1 - mark.late.cost)} = {shown(mark.points)} of "
        f"{reckoning.worth(mark.weight)}."
    )


def nothing(mark: Mark) -> str:
    """What is said where there is no verdict."""
    return (
        UNASKED
        if mark.unasked
        else AT_FAULT
        if mark.ungraded
        else words.sentence(
            "what was handed in could not be read" + (", and has no points yet" if mark.blank else "")
            if mark.unread
            else f"for this problem {MISSING}"
        )
    )


def noted(mark: Mark, verdict: Verdict) -> str:
    """What is said before a verdict that is not the last word."""
    if mark.ungraded:
        return UNASKED_LATER if mark.unasked else LATER
    return (
        OPEN
        if mark.credit.open and not mark.override and verdict.status != Status.COURSE and not verdict.unjudged
        else ""
    )


def evidence(mark: Mark) -> str:
    """What was graded, and when: for whoever compares it with what was meant to be handed in."""
    graded, under = mark.grade, mark.grade.under
    nth = f", version {graded.attempts} of yours" if graded.attempts > 1 else ""
    versions = [f"course {under.course}"] * bool(under.course) + [f"jax {under.jax}"] * bool(under.jax)
    came = f"{mark.came}; " if mark.came else ""
    return f"{came}graded {under.graded_at[:10]}{nth}: {graded.place or 'stub.py'}, SHA-256 {graded.digest[:16]}…" + (
        f"; {', '.join(versions)}" if versions else ""
    )
