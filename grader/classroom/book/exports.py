"""The files that come of the marks: grades.csv for people, and what Canvas and Moodle import.

Each is written under a temporary name and renamed, so that nobody reads half of one, and a new one is for its owner
only: it tells grades.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from grader.classroom.book.marks import Marks
from grader.classroom.book.points import shown
from grader.classroom.book.roster import COMMENTS, Matched
from grader.classroom.book.rules import Grading
from grader.classroom.book.spreadsheet import harmless
from grader.process import store

IMPORTS = ("canvas.csv", "moodle.csv", "github.csv")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
MOODLE = ("Identifier", "Full name", "Grade", "Last modified (grade)")


def export(
    out: Path,
    marks: Sequence[Marks],
    grading: Grading,
    assignment: str,
    roster: Matched | None = None,
    comments: Mapping[str, str] = {},
    scaled: bool = False,
) -> list[str]:
    """Writes the files into `out`, and gives in sentences what to know before an import. `assignment` is what the
    column of the total is called in Canvas; `comments` are what Moodle's column of feedback says to each student.

    Totals out of another number than the system counts out of would be other grades there: they are written only if
    they are `scaled`.
    """
    made = files(marks, grading, assignment, roster, comments, scaled)
    for name, text in made.items():
        write(out / name, text)
    told = roster.told(assignment, grading.maximum, scaled) if roster else [*_left_out(_graded(marks))]
    for path in (out / name for name in IMPORTS if name not in made):
        if path.exists():
            path.unlink()
            told.append(
                f"{path.name} of an earlier run is taken away, since its grades may be old: the same command as then "
                f"makes it anew"
            )
    return told


def files(
    marks: Sequence[Marks],
    grading: Grading,
    assignment: str,
    roster: Matched | None = None,
    comments: Mapping[str, str] = {},
    scaled: bool = False,
) -> dict[str, str]:
    """The text of each file by its name. Without a roster, Canvas's and Moodle's are made where the names of the
    download told their numbers.

    Who has nothing that is graded, or something that could not be read, has no grade in any import: there stays what
    was there, and no 0 is made of it. Moodle's column of feedback says what could not be read.
    """
    found = {"grades.csv": grades_csv(marks, grading, roster)}
    graded = _graded(marks)
    comments = {row.student.student: comments[row.student.student] for row in _told_of(marks, comments)}
    if roster is not None:
        factor = roster.scale(assignment, grading.maximum)
        if factor is not None and (scaled or factor == 1.0):
            totals = _totals(graded)
            if factor != 1.0:
                totals = {student: round(total * factor, 2) for student, total in totals.items()}
            found[f"{roster.system}.csv"] = roster.filled(totals, assignment, grading.maximum, comments)
        return found
    if any(map(_canvas_id, graded)):
        found["canvas.csv"] = _canvas_csv(_one_for_each(graded, _canvas_id), grading, assignment)
    spoken = _one_for_each(graded, _moodle_id)
    numbers = {*map(_moodle_id, graded)}
    spoken += _one_for_each(
        [row for row in _told_of(marks, comments) if row.blank and _moodle_id(row) not in numbers], _moodle_id
    )
    if spoken or numbers - {""}:
        found["moodle.csv"] = _moodle_csv(spoken, comments)
    return found


def _graded(marks: Sequence[Marks]) -> list[Marks]:
    return [row for row in marks if not row.blank]


def _told_of(marks: Sequence[Marks], comments: Mapping[str, str]) -> list[Marks]:
    """Of whom a comment says something: points, or what could not be read."""
    return [row for row in marks if row.student.student in comments and (row.unread or not row.blank)]


def _totals(marks: Sequence[Marks]) -> dict[str, float]:
    return {row.student.student: row.total for row in marks}


def _left_out(graded: Sequence[Marks]) -> Iterator[str]:
    """Who is in no import made without a roster, since another one has the same number."""
    for name, number in (("canvas.csv", _canvas_id), ("moodle.csv", _moodle_id)):
        for told, rows in _by_number(graded, number).items():
            if len(rows) > 1:
                counting = "".join(f"only {row.student.student}" for row in _counting(rows)) or "none of them"
                yield f"{' and '.join(row.student.student for row in rows)} have one number, {told}, and {counting} is in {name}: call their files by one name, and all of them count"  # noqa: E501


def grades_csv(marks: Sequence[Marks], grading: Grading, roster: Matched | None = None) -> str:
    """One row for each student, for a person to open: what a spreadsheet would take for a formula is made text by a `'`
    before it. What has no points yet is blank, and so is what was not handed in; the flags say which.

    A roster gives names and numbers, and rows for those of whom nothing arrived.
    """
    on_it = roster.rows if roster else {}
    known = [
        {**row.student.ids, **(on_it[row.student.student].ids if row.student.student in on_it else {})} for row in marks
    ]
    missing = roster.missing if roster else ()
    ids, problems = (
        sorted({name for told in (*known, *(row.ids for row in missing)) for name in told}),
        sorted(grading.weights),
    )
    head = ["student", "name", *ids, *map(str, problems), "total", "flags"]
    rows = [
        [
            harmless(row.student.student),
            harmless(on_it[row.student.student].name if row.student.student in on_it else row.student.name),
            *_told(told, ids),
            *("" if row.by_problem[problem].blank else shown(row.by_problem[problem].points) for problem in problems),
            "" if row.blank else shown(row.total),
            harmless("; ".join(row.flags)),
        ]
        for row, told in zip(marks, known)
    ]
    rows += [
        ["", harmless(row.name), *_told(row.ids, ids), *[""] * len(problems), "", "nothing arrived"] for row in missing
    ]
    return "\N{ZERO WIDTH NO-BREAK SPACE}" + _csv([head, *rows])  # the mark by which a spreadsheet knows UTF-8


def _told(told: Mapping[str, str], names: Sequence[str]) -> list[str]:
    return [harmless(told.get(name, "")) for name in names]


def _by_number(marks: Sequence[Marks], number: Callable[[Marks], str]) -> dict[str, list[Marks]]:
    """Who has each number: more than one where somebody is called otherwise in a later download."""
    found: dict[str, list[Marks]] = {}
    for row in marks:
        if number(row):
            found.setdefault(number(row), []).append(row)
    return found


def _counting(rows: Sequence[Marks]) -> Sequence[Marks]:
    """Of those with one number the one who is still among the submissions; nobody where that leaves two."""
    here = [row for row in rows if not row.gone] or rows
    return here if len(here) == 1 else []


def _one_for_each(marks: Sequence[Marks], number: Callable[[Marks], str]) -> list[Marks]:
    return [row for rows in _by_number(marks, number).values() for row in _counting(rows)]


def _canvas_csv(marks: Sequence[Marks], grading: Grading, assignment: str) -> str:
    """Canvas finds a student by ID; a column that it does not know becomes a new assignment, which is worth what the
    second row says."""
    rows = ([harmless(row.student.name), _canvas_id(row), "", "", "", shown(row.total)] for row in marks)
    return _csv([[*CANVAS, assignment], ["    Points Possible", "", "", "", "", shown(grading.maximum)], *rows])


def _canvas_id(row: Marks) -> str:
    """Empty for a download without names: there a number means nothing to Canvas's import."""
    told = row.student.ids.get("canvas_id", "")
    return told if told.isdecimal() else ""


def _moodle_id(row: Marks) -> str:
    return row.student.ids.get("moodle_id", "")


def _moodle_csv(marks: Sequence[Marks], comments: Mapping[str, str]) -> str:
    """Moodle's grading worksheet finds a student by the identifier, which is the number in the download's names. Its
    import takes no file without the date of each grade; `-` is an unknown one, which by itself sets back no grade that
    Moodle has. Without a grade only the feedback is read."""
    rows = (
        [
            f"Participant {_moodle_id(row)}",
            harmless(row.student.name),
            "" if row.blank else shown(row.total),
            "-",
            *([comments.get(row.student.student, "")] if comments else []),
        ]
        for row in marks
    )
    return _csv([[*MOODLE, *([COMMENTS] if comments else [])], *rows])


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def write(path: Path, text: str) -> None:
    """Writes a text whole, which only its owner may read if it is new, or raises OSError and leaves what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not store.write(path, text.encode("utf-8", "replace"), 0o600):
        raise OSError(f"{path} cannot be written")
