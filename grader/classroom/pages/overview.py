"""The class at a glance: what it can do, which misconceptions it has, and what an instructor has to look at. A page and
the terminal show it.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from grader.classroom.arrivals.submission import LATE
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.points import shown
from grader.classroom.book.roster import Matched
from grader.classroom.pages.similar import Alike
from grader.course.verdict import Status
from grader.report.words import sentence

# What can become of a problem: its key, its words, and whether it counts as handed in.
ENDS = (
    ("passed", "passed"),
    ("failed", "a known mistake"),
    ("other", "failed without a known mistake"),
    ("unwritten", "not written or not run"),
    ("open", "not graded or not checked yet"),
    ("unread", "could not be read"),
    ("missing", "nothing handed in"),
)
JUDGED = ("passed", "failed", "other", "unwritten")  # the answer was read, and there is a verdict on it


@dataclass(frozen=True)
class Misconception:
    """A known mistake, and who makes it at which problem."""

    name: str
    sentence: str
    students: frozenset[str]
    problems: tuple[int, ...]


@dataclass(frozen=True)
class ProblemReport:
    """What became of one problem over the class."""

    number: int
    title: str
    ends: Mapping[str, int]  # how many, by the keys of ENDS
    attempts: float  # of those who handed in, on average
    mistakes: tuple[Misconception, ...]
    unnamed: tuple[tuple[str, int], ...]  # the first failing check or what kept it from running, and how many

    @property
    def handed_in(self) -> int:
        return sum(number for end, number in self.ends.items() if end != "missing")

    @property
    def judged(self) -> int:
        """Those whose answer there is a verdict on: of the others nobody knows whether it is right."""
        return sum(self.ends[end] for end in JUDGED)

    def unjudged(self, means: Mapping[str, str]) -> str:
        """How many answers nobody judged, and why, to follow how many passed; nothing where all were."""
        return "".join(f", {self.ends[end]} {means[end]}" for end in ("open", "unread") if self.ends[end])


@dataclass(frozen=True)
class Report:
    """What is told of a class."""

    students: int
    handed_in: int
    totals: tuple[float, ...]  # of those who have one
    solved: int  # who passed every problem that counts
    problems: tuple[ProblemReport, ...]
    teach: tuple[Misconception, ...]  # over all problems, the most common first
    look: tuple[tuple[str, tuple[str, ...]], ...] = ()  # what has to be looked at, and for whom
    waived: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()  # why verdicts cannot all be compared
    alike: tuple[Alike, ...] | None = None  # answers that are alike; None where nobody looked
    similar: str = ""
    warnings: tuple[str, ...] = ()  # what to know before grades are imported
    rows: tuple[Marks, ...] = ()  # everybody, in the order of names
    judged: int = 0  # of whom at least one answer was
    names: Mapping[str, str] = field(default_factory=dict)  # what each key's student is called


def report(
    marks: Sequence[Marks],
    titles: Mapping[int, str],
    *,
    roster: Matched | None = None,
    alike: Sequence[Alike] | None = None,
    similar: str = "similar.html",
    warnings: Sequence[str] = (),
) -> Report:
    """What the marks say, and a roster beside them. `similar` is the page that shows what is alike."""
    there = [row for row in marks if row.handed_in]
    graded = [row for row in there if any(mark.grade for mark in row.by_problem.values())]
    problems = tuple(
        _of_problem(number, titles.get(number, ""), [(row.student.student, row.by_problem[number]) for row in there])
        for number in (marks[0].by_problem if marks else ())
    )
    circumstances = [
        mark.grade.under for row in there for mark in row.by_problem.values() if mark.grade and mark.grade.under.key
    ]
    return Report(
        len(marks) + len(roster.missing if roster else ()),
        len(there),
        tuple(row.total for row in marks if not row.blank),
        sum(_solved(row) for row in graded),
        problems,
        _over_all(problems),
        tuple(_to_look_at(marks, roster)),
        tuple(sorted({limit for under in circumstances for limit in under.waived})),
        tuple(_mixed(there)),
        None if alike is None else tuple(alike),
        similar,
        tuple(warnings),
        tuple(sorted(marks, key=lambda row: (called(row).casefold(), row.student.student))),
        sum(any(_end(mark) in JUDGED for mark in row.by_problem.values()) for row in there),
        names_by_key(marks),
    )


def called(row: Marks) -> str:
    return row.student.name or row.student.student


def names_by_key(rows: Iterable[Marks]) -> dict[str, str]:
    """What each student is called, with the key where another is called so too."""
    names = {row.student.student: called(row) for row in rows}
    times = Counter(name.casefold() for name in names.values())
    return {key: name if times[name.casefold()] == 1 else f"{name} ({key})" for key, name in names.items()}


def _solved(row: Marks) -> bool:
    return all(mark.grade and mark.grade.status == Status.PASSED for mark in row.by_problem.values() if mark.weight)


def _end(mark: Mark) -> str:
    if mark.unread and not mark.ungraded:
        return "unread"
    if mark.grade is None:
        return "open" if mark.ungraded else "missing"
    if mark.unread or mark.unjudged or mark.grade.status in (Status.UNCHECKED, Status.COURSE):
        return "open"
    if mark.grade.status == Status.PASSED:
        return "passed"
    if mark.grade.mistakes:
        return "failed"
    return "unwritten" if mark.grade.status == Status.NOT_WRITTEN or mark.trouble or _is_unwritten(mark) else "other"


def _is_unwritten(mark: Mark) -> bool:
    """Whether nothing is wrong with what is written, and a name is not."""
    statuses = {name.status for name in mark.names}
    return Status.NOT_WRITTEN in statuses and Status.FAILED not in statuses


def _of_problem(number: int, title: str, marks: Sequence[tuple[str, Mark]]) -> ProblemReport:
    ends = Counter(_end(mark) for _, mark in marks)
    attempts = [mark.grade.attempts for _, mark in marks if mark.grade]
    made, said = defaultdict(set), {}
    for student, mark in marks:
        for name in mark.names:
            for mistake, told in name.mistakes:
                made[mistake].add(student)
                said.setdefault(mistake, told)
    mistakes = tuple(
        sorted(
            (Misconception(name, said[name], frozenset(students), (number,)) for name, students in made.items()),
            key=_rank,
        )
    )
    unnamed = Counter(_why(mark) for _, mark in marks if _end(mark) in ("other", "unwritten", "open"))
    return ProblemReport(
        number,
        title,
        {end: ends[end] for end, _ in ENDS},
        statistics.fmean(attempts) if attempts else 0.0,
        mistakes,
        tuple(unnamed.most_common()),
    )


def _why(mark: Mark) -> str:
    """What a failure without a known mistake is grouped by."""
    if mark.grade is None or mark.unread:
        return "not graded yet"
    if mark.grade.status != Status.FAILED:
        return mark.grade.status.value
    if mark.trouble:
        return "could not be run"
    unwritten = _is_unwritten(mark)
    first = next((name for name in mark.names if name.first and (unwritten or name.status == Status.FAILED)), None)
    if first is None:
        return "the end of the run"
    what = Status.NOT_WRITTEN.value if unwritten else first.first
    return f"{first.name}: {what}" if len(mark.names) > 1 else what


def _rank(found: Misconception) -> tuple:
    return -len(found.students), found.name


def _over_all(problems: Iterable[ProblemReport]) -> tuple[Misconception, ...]:
    """A misconception at several problems is one, told in the words of the problem where it is most common."""
    by_name = defaultdict(list)
    for problem in problems:
        for found in problem.mistakes:
            by_name[found.name].append(found)
    merged = (
        Misconception(
            name,
            min(found, key=_rank).sentence,
            frozenset().union(*(one.students for one in found)),
            tuple(one.problems[0] for one in found),
        )
        for name, found in by_name.items()
    )
    return tuple(sorted(merged, key=_rank))


def _to_look_at(marks: Sequence[Marks], roster: Matched | None) -> Iterable[tuple[str, tuple[str, ...]]]:
    """What somebody has to look at, each with whom it is about."""
    names = names_by_key(marks)
    pairs = [(row, mark) for row in marks for mark in row.by_problem.values() if mark.grade]
    replaced = roster.replaced if roster else {}
    found = {
        **(roster.apart(names) if roster else {}),
        "no longer among the submissions, and graded as before": dict.fromkeys(
            names[row.student.student] for row, _ in pairs if row.gone and row.student.student not in replaced
        ),
        "handed in under another name since, which alone counts": [
            f"{names.get(student, student)}: now {' and '.join(names.get(key, key) for key in now)}"
            for student, now in replaced.items()
        ],
        "handed in a folder with nothing in it": [
            names[row.student.student] for row in marks if row.student.trouble and not row.student.unread
        ],
        "nothing of it could be read": [
            f"{names[row.student.student]}: {sentence(row.student.trouble)}" for row in marks if row.student.unread
        ],
        "not graded yet": [
            f"{names[row.student.student]}, {mark.problem}"
            for row in marks
            for mark in row.by_problem.values()
            if mark.ungraded and not mark.unasked
        ],
        "handed in, and not among the problems that this run was asked to grade": [
            f"{names[row.student.student]}, {mark.problem}"
            for row in marks
            for mark in row.by_problem.values()
            if mark.unasked
        ],
        "one file could not be read": [
            f"{names[row.student.student]}, {mark.problem}: {sentence(mark.trouble)}"
            for row, mark in pairs
            if mark.unread
        ],
        "wrote into the channel by which the grader hears what it gave": [
            f"{names[row.student.student]}, {mark.problem}" for row, mark in pairs if mark.forged
        ],
        "not everything could be checked": [
            f"{names[row.student.student]}, {mark.problem}: {shown(mark.points)} of {shown(mark.weight)} so far"
            for row, mark in pairs
            if mark.credit.open and not mark.override and not mark.unjudged
        ],
        "could not be checked, since the grader failed on it": [
            f"{names[row.student.student]}, {mark.problem}: {mark.unjudged}"
            for row, mark in pairs
            if mark.unjudged and not mark.override
        ],
        "a fact was taken on trust": [
            f"{names[row.student.student]}, {mark.problem}: {', '.join(mark.grade.under.trusted)}"
            for row, mark in pairs
            if mark.grade.under.trusted
        ],
        "late": [line for row in marks for line in _late(row, names[row.student.student])],
        "points by hand": [
            f"{names[row.student.student]}, {mark.problem}: {shown(mark.points)}"
            + (f" instead of {shown(mark.by_checks)}" if mark.grade and not mark.unread else "")
            + f". {sentence(mark.override.reason)}"
            for row in marks
            for mark in row.by_problem.values()
            if mark.override
        ],
        "a note on what arrived": [
            f"{names[row.student.student]}: {'; '.join(notes)}" for row in marks if (notes := _notes(row))
        ],
    }
    return ((what, whom) for what, listed in found.items() if (whom := tuple(map(str, listed))))


def _late(row: Marks, name: str) -> list[str]:
    """One line for all that came late by the same time."""
    told: dict[str, list[str]] = {}
    for mark in row.by_problem.values():
        if mark.grade and mark.late:
            told.setdefault(sentence(mark.late.told), []).append(str(mark.problem))
    return [f"{name}, {', '.join(problems)}: {said}" for said, problems in told.items()]


def _notes(row: Marks) -> list[str]:
    """The notes but that on what is late, where that is told of each problem."""
    return [
        note for note in row.student.notes if note != LATE or not any(mark.late for mark in row.by_problem.values())
    ]


def _mixed(marks: Sequence[Marks]) -> Iterable[str]:
    """Problems whose verdicts were not all given under the same checks: by another course, or by another key to the
    same inputs. Other inputs have another key anyway."""
    courses, keys = defaultdict(set), defaultdict(set)
    for row in marks:
        for problem, mark in row.by_problem.items():
            if mark.grade and mark.grade.under.key:
                under = mark.grade.under
                courses[problem].add(under.course)
                keys[problem, under.seed].add((under.key, under.course))
    versions = {
        problem: max(len(known), *(len(found) for (of, _), found in keys.items() if of == problem))
        for problem, known in courses.items()
    }
    return (
        f"{problem}: verdicts were given under {number} versions of the course; --regrade shows what would change"
        for problem, number in versions.items()
        if number > 1
    )


def in_words(listed: Sequence[int | str]) -> str:
    """`31, 33 and 36`."""
    return " and ".join(filter(None, [", ".join(map(str, listed[:-1])), str(listed[-1])]))
