"""Marks: what the gradebook and the grading come to, for each student and problem. The same data for all files and
pages."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from grader.classroom.arrivals.submission import Student
from grader.classroom.book.called import names_of
from grader.classroom.book.entries import Grade, Override, Wanted
from grader.classroom.book.gradebook import Gradebook
from grader.classroom.book.groups import handed_in
from grader.classroom.book.late import Came, Lateness, lateness
from grader.classroom.book.points import Credit, credit, exact, shown
from grader.classroom.book.roster import Row
from grader.classroom.book.rules import Grading
from grader.classroom.book.unread import is_unread
from grader.course.verdict import Named, Status
from grader.judge.explain import ENDED
from grader.report import words

FORGED = ENDED["forged"][0]  # what a verdict says of one
Properties = Mapping[int, Container[tuple[str, str]]]  # of each problem, as `points.properties_of` has them


class Name(NamedTuple):
    """What became of one name that a problem asks for."""

    name: str
    status: Status
    mistake: str
    sentence: str
    first: str  # the title of the first failing check
    second: Named | None = None  # the mistake beside the first

    @property
    def mistakes(self) -> tuple[tuple[str, str], ...]:
        """The known mistakes that explain it, each with its sentence."""
        first = ((self.mistake, self.sentence),) if self.mistake else ()
        return first + (((self.second.name, self.second.sentence),) if self.second else ())


@dataclass(frozen=True)
class Mark:
    """One student's mark for one problem: points by checks, or by hand. Without a grade nothing was handed in for it,
    unless it is `ungraded`."""

    problem: int
    weight: float
    grade: Grade | None = None
    credit: Credit = Credit()
    override: Override | None = None
    names: tuple[Name, ...] = ()
    trouble: str = ""  # what kept every check from running
    unread: bool = False  # what arrived could not be read
    unjudged: str = ""  # how the grader failed on it
    ungraded: bool = False  # what arrived last has no verdict yet
    unasked: bool = False  # that is so because the run was asked for other problems
    came: Came | None = None  # when what was graded came, where something says so
    late: Lateness | None = None
    told: tuple[str, ...] = ()  # how its answer was found, where that is no matter of course

    @property
    def missing(self) -> bool:
        """Whether nothing was handed in for it, and nobody gave points by hand."""
        return not (self.grade or self.override or self.unread or self.ungraded)

    @property
    def undecided(self) -> bool:
        """Whether its points are not known yet, so that there is no total: what arrived could not be read, or has no
        verdict by no student's fault."""
        open_yet = (
            self.unread
            or self.ungraded
            and not self.grade
            or bool(self.unjudged)
            or bool(self.grade and self.grade.status == Status.COURSE)
        )
        return open_yet and not self.override

    @property
    def blank(self) -> bool:
        """Whether no file and no page shows points for it, not even 0. What is missing adds nothing to a total."""
        return self.undecided or self.missing

    @property
    def points(self) -> float:
        return exact(
            self.override.worth(self.weight)
            if self.override
            else self.by_checks * (1 - self.late.cost if self.late else 1)
        )

    @property
    def by_checks(self) -> float:
        """The points that the checks give, whenever it came."""
        return exact(self.weight * self.credit.share)

    @property
    def forged(self) -> bool:
        """Whether it wrote into the channel by which the grader hears what it gave."""
        return FORGED in self.trouble

    @property
    def flags(self) -> tuple[str, ...]:
        """What an instructor should know of it."""
        told = ["wrote into the grader's channel"] if self.forged else []
        if self.override:
            older = self.grade and self.override.attempt not in (None, self.grade.attempt)
            nothing = not (self.grade or self.unread or self.ungraded)
            told.append(
                "points by hand"
                + (", for an earlier attempt" if older else ", and nothing handed in" if nothing else "")
            )
        if self.ungraded:
            told.append("the last version is not graded yet" if self.grade else "not graded yet")
        elif self.missing:
            told.append("nothing handed in")
        if self.late:
            told.append(self.late.flag)
        if self.unread:
            told.append("could not be read")
        elif self.grade and self.grade.status == Status.COURSE:
            told.append("course at fault")
        elif self.unjudged and not self.override:
            told.append("could not be checked: the grader failed on it")
        elif self.credit.open and not self.override:
            told.append(f"not all could be checked (up to {shown(self.weight * self.credit.possible)})")
        return (*told, *self.told)


@dataclass(frozen=True)
class Marks:
    """All marks of one student."""

    student: Student
    by_problem: Mapping[int, Mark]
    total: float
    gone: bool = False  # handed in earlier, and is no longer among the submissions

    @property
    def blank(self) -> bool:
        """Whether there is no total: some of what counts is undecided, or nothing was ever graded."""
        return not self.graded or any(mark.undecided for mark in self.by_problem.values() if mark.weight)

    @property
    def unread(self) -> bool:
        """Whether something of it could not be read."""
        return self.student.unread or any(mark.unread for mark in self.by_problem.values())

    @property
    def graded(self) -> bool:
        return any(mark.grade or mark.override for mark in self.by_problem.values())

    @property
    def ever(self) -> bool:
        """Whether anything arrived at any time: who was given points by hand may have handed in nothing."""
        return bool(self.student.trouble or self.student.notes) or any(mark.grade for mark in self.by_problem.values())

    @property
    def handed_in(self) -> bool:
        """Whether anything arrived that may be an answer."""
        return self.student.unread or any(mark.grade or mark.ungraded for mark in self.by_problem.values())

    @property
    def flags(self) -> tuple[str, ...]:
        gone = ("no longer among the submissions",) * self.gone
        if self.student.trouble:
            what = "nothing could be read" if self.student.unread else "nothing handed in"
            return (
                *gone,
                what,
                *(
                    f"{problem}: {flag}"
                    for problem, mark in self.by_problem.items()
                    if mark.grade or mark.override
                    for flag in mark.flags
                ),
            )
        return (*gone, *(f"{problem}: {flag}" for problem, mark in self.by_problem.items() for flag in mark.flags))


@dataclass(frozen=True)
class Change:
    """What a regrade would change for one student and problem."""

    old: Mark
    new: Mark

    @property
    def matters(self) -> bool:
        """Whether a student would see anything of it."""
        return (self.old.points, self.old.grade.status, self.old.grade.mistakes) != (
            self.new.points,
            self.new.grade.status,
            self.new.grade.mistakes,
        )


def marks(
    book: Gradebook,
    grading: Grading,
    properties: Properties,
    ungraded: Collection[tuple[str, int]] = (),
    on_roster: Mapping[str, Row] = {},
    unasked: Collection[tuple[str, int]] = (),
) -> list[Marks]:
    """The marks of everyone in the gradebook, for each problem that the grading names. `ungraded` are the (student,
    problem) whose work has no verdict by no student's fault, `unasked` those whose work the run was not asked to grade;
    `on_roster` has the rows of those whom a roster knows, who are called as it calls them."""
    grades = {(grade.student, grade.problem): grade for grade in book.grades()}
    overrides = _standing(book)
    came, students = book.came(), book.students()
    whose = handed_in(students, grading.groups)
    found = []
    for student in students:
        of = {problem: (student.student, problem) for problem in sorted(grading.weights)}
        row = on_roster.get(student.student)
        called = names_of(student, row)
        called |= {name.casefold() for name in grading.groups.get(whose.get(student.student, ""), ())}
        mine = {}
        for problem, which in of.items():
            mark = _mark(grades.get(which), overrides.get(which), problem, grading, properties)
            unread = mark.unread or student.unread and mark.grade is None
            mark = replace(
                mark,
                unread=unread,
                ungraded=which in ungraded or which in unasked,
                unasked=which in unasked,
                told=student.told.get(problem, ()),
            )
            mine[problem] = _dated(mark, came, grading, called)
        student = replace(student, name=row.called) if row and row.name else student
        found.append(Marks(student, mine, grading.total({problem: mark.points for problem, mark in mine.items()})))
    return found


def _dated(mark: Mark, came: Mapping[Wanted, Came], grading: Grading, called: Collection[str]) -> Mark:
    """The mark with when its content came, and what follows from that."""
    if mark.grade is None:
        return mark
    when = came.get(Wanted(mark.grade.student, mark.grade.problem, mark.grade.digest))
    return replace(mark, came=when, late=lateness(grading.late, when, called))


def changes(book: Gradebook, grading: Grading, properties: Properties) -> list[Change]:
    """What the proposed verdicts would change. Points by hand stay as they are."""
    overrides = _standing(book)
    came, students = book.came(), {student.student: student for student in book.students()}

    def dated(grade: Grade) -> Mark:
        mark = _mark(grade, overrides.get((grade.student, grade.problem)), grade.problem, grading, properties)
        return _dated(mark, came, grading, names_of(students[grade.student]))

    return [Change(*map(dated, pair)) for pair in book.proposals()]


def _mark(
    grade: Grade | None, override: Override | None, problem: int, grading: Grading, properties: Properties
) -> Mark:
    weight = grading.weights.get(problem, 0.0)
    if grade is None:
        return Mark(problem, weight, override=override)
    verdict = grade.verdict
    names = tuple(
        Name(
            entry.name,
            entry.status,
            entry.mistake,
            entry.sentence,
            words.title(entry.first) if entry.first else "",
            entry.second,
        )
        for entry in verdict.entries
    )
    return Mark(
        problem,
        weight,
        grade,
        credit(verdict, properties.get(problem, ()), grading.partial),
        override,
        names,
        verdict.trouble.summary if verdict.trouble else "",
        is_unread(verdict),
        "; ".join(verdict.notes) if verdict.unjudged else "",
    )


def _standing(book: Gradebook) -> dict[tuple[str, int], Override]:
    """The override that holds for a student and problem: the last one, where it was not taken back."""
    last = {(override.student, override.problem): override for override in book.overrides()}
    return {which: override for which, override in last.items() if override.points is not None}
