"""Everything that follows from the gradebook: import files, feedback, the class report. Written anew after each run; no
grade is decided here."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grader.classroom.arrivals.arrivals import Arrivals
from grader.classroom.book import group_marks, groups
from grader.classroom.book.called import names_of
from grader.classroom.book.entries import Wanted
from grader.classroom.book.exports import export, write
from grader.classroom.book.gradebook import Gradebook
from grader.classroom.book.marks import Change, Marks, marks
from grader.classroom.book.people import keep, meant, settle
from grader.classroom.book.points import properties_of, shown
from grader.classroom.book.roster import Roster, Row
from grader.classroom.book.rules import Grading
from grader.classroom.pages import overview
from grader.classroom.pages.feedback import write_feedback
from grader.classroom.pages.overview_page import write_report
from grader.classroom.pages.returns import comment, write_returns
from grader.classroom.pages.similar import Alike
from grader.course.problem import Problem, course_root
from grader.course.select import UsageError
from grader.report.words import COMMAND, count, spoken

ASSIGNMENT = "attention track"
SHOWN = 20  # changes that the terminal lists


def write_results(
    out: Path,
    problems: list[Problem],
    book: Gradebook,
    grading: Grading,
    handed_in: Arrivals,
    place: Path,
    *,
    roster: Roster | None = None,
    assignment: str = ASSIGNMENT,
    scaled: bool = False,
    similar: bool = False,
    ungraded: Collection[tuple[str, int]] = (),
    unasked: Collection[tuple[str, int]] = (),
) -> tuple[list[Marks], overview.Report]:
    """Writes all files into `out`, and gives what they say. `place` is where the submissions lie, of which no page
    tells; `ungraded` and `unasked` as in `marks`.

    Raises:
        OSError: one cannot be written; the others are whole, and so is the gradebook.
    """
    people = handed_in.people()
    if roster:
        keep(book, roster)
    settle(book, people)
    here = {one.student for one in people}
    away = [student for student in book.students() if student.student not in here]
    matched = roster.matched(groups.spread(people, grading.groups), away) if roster else None
    rows = matched.rows if matched else {}
    book.note(
        {
            Wanted(grade.student, grade.problem, grade.digest): row.came
            for grade in book.grades()
            if grade.student in here and (row := rows.get(grade.student)) and row.came
        }
    )
    found = marks(book, grading, properties_of_all(problems), ungraded, rows, unasked)
    found = [replace(row, gone=row.student.student not in here and row.ever) for row in found]
    unmet = [*_unmet(grading, found, rows), *group_marks.unmet(found, grading.groups)]
    found = group_marks.shared(found, grading.groups, rows)
    titles = {problem.number: problem.title for problem in problems}
    alike = _similar(out, handed_in, problems, found) if similar else None
    comments = {row.student.student: comment(row, grading, titles) for row in found}
    warnings = [*export(out, found, grading, assignment, matched, comments, scaled), *unmet]
    folders = [str(folder) for folder in (course_root(), out.resolve(), Path.home(), tempfile.gettempdir(), place)]
    (out / "feedback").mkdir(exist_ok=True)
    write_feedback(out / "feedback", found, grading, titles, folders, book.content)
    write_returns(out, found, people, rows)
    told = dict(roster=matched, alike=alike, warnings=warnings)
    write_report(out, found, grading, titles, **told)
    return found, overview.report(found, titles, **told)


def _unmet(grading: Grading, found: Sequence[Marks], rows: Mapping[str, Row]) -> Iterable[str]:
    """Whom grading.toml speaks of below [late], and nobody is called so."""
    known = set().union(*(names_of(row.student, rows.get(row.student.student)) for row in found))
    for name in sorted(grading.late.names()):
        if name.casefold() not in known:
            near = difflib.get_close_matches(name.casefold(), known, 3)
            yield (
                f"grading.toml speaks of {name} below [late], and nobody who handed in is called so: "
                f"take a name, a login or a number of grades.csv"
                + (f"; did you mean {' or '.join(near)}?" if near else "")
            )


def properties_of_all(problems: Iterable[Problem]) -> dict:
    return {problem.number: properties_of(problem) for problem in problems}


def _similar(out: Path, handed_in: Arrivals, problems: list[Problem], found: Iterable[Marks]) -> Sequence[Alike]:
    from grader.classroom.pages.side_by_side import page
    from grader.classroom.pages.similar import similar

    alike = similar(handed_in, problems)
    write(out / "similar.html", page(alike, overview.names_by_key(found)))
    return alike


def show_changes(changes: Sequence[Change], out: Path, console) -> None:
    """What a regrade proposes, before anything changes."""
    from rich.table import Table
    from rich.text import Text

    from grader.report.terminal import trimmed

    mattering = [change for change in changes if change.matters]
    if not changes:
        console.print("every verdict was given by the checks as they are now: there is nothing to grade again")
        return
    console.print(
        f"graded again: {count(len(changes), 'verdict')}; for {len(mattering)} of them something would change"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("student", "problem", "status", "points", "mistake"):
        table.add_column(column)
    for change in mattering[:SHOWN]:
        old, new = change.old, change.new
        table.add_row(
            Text(old.grade.student),
            str(old.problem),
            _change(old.grade.status.value, new.grade.status.value),
            _change(shown(old.points), shown(new.points)),
            _change(", ".join(map(spoken, old.grade.mistakes)), ", ".join(map(spoken, new.grade.mistakes))),
        )
    if mattering:
        with trimmed(console):
            console.print(table)
    if len(mattering) > SHOWN:
        console.print(f"and {len(mattering) - SHOWN} more")
    console.print(
        f"no grade has changed. {COMMAND} class … --out {out} --accept lets the new verdicts count, --discard forgets "
        f"them",
        markup=False,
        soft_wrap=True,
    )


def _change(old: str, new: str) -> str:
    return old if old == new else f"{old or 'none'} → {new or 'none'}"


def override(
    out: Path, problems: list[Problem], student: str, number: int, points: float | None, reason: str, console
) -> int:
    """Gives points by hand to whom `student` names; returns 0. The files follow with the next run, which knows the
    roster."""
    import getpass

    from grader.classroom.book.gradebook import NAME
    from grader.classroom.book.rules import read_grading

    if not (out / NAME).exists():
        raise UsageError(f"there is no gradebook in {out}: `{COMMAND} class SUBMISSIONS --out {out}` makes one")
    with Gradebook(out / NAME) as book:
        grading = read_grading(out / "grading.toml", [], problems)
        if number not in grading.weights:
            raise UsageError(
                f"problem {number} is not graded here; there are {', '.join(map(str, sorted(grading.weights)))}"
            )
        weight, one = grading.weights[number], meant(book, student, grading.groups)
        group = groups.handed_in([*book.students(), one], grading.groups).get(one.student)
        book.override(one.student, number, points, reason, getpass.getuser(), weight, new=one)
    told = (
        "the points follow from the checks again"
        if points is None
        else f"{shown(points)} of {shown(weight)} point{'' if weight == 1 else 's'} by hand"
    )
    if group:
        whom = f"the group {group}, that is {', '.join(grading.groups[group])}"
    else:
        whom = one.student if student == one.student else f"{one.name or student} ({one.student})"
    console.print(
        f"{whom}, problem {number}: {told}. The same class command as before writes grades and feedback anew",
        markup=False,
        soft_wrap=True,
    )
    return 0
