"""What goes back to a learning-management system beside the grades: each student's feedback, under the names that its
own upload asks for.

What the names are was read from the systems' code: Moodle's mod/assign/feedback/file/importziplib.php takes the second
part of a name for the participant, Canvas's infer_comment_context_from_filename the first two numbers for the student
and for a file of the submission. Canvas shows a comment's file under the name of that file, so it gets Markdown, which
reads well under any.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from grader.classroom.arrivals.submission import Submission
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.points import shown
from grader.classroom.book.roster import OURS, Row
from grader.classroom.book.rules import Grading
from grader.process import store
from grader.report import words
from grader.report.markup import tag

MOODLE, CANVAS = "moodle_feedback.zip", "canvas_feedback.zip"


def write_returns(
    out: Path, marks: Sequence[Marks], people: Iterable[Submission], on_roster: Mapping[str, Row]
) -> list[str]:
    """Packs the pages in `out/feedback`, and gives the names of the zips. One that cannot be made any more is taken
    away: it would tell old grades."""
    numbers = {one.student: one.file for one in people if one.file}
    made = {
        MOODLE: [
            (_in_moodle(row, number), ".html", row) for row in marks if (number := _number("moodle_id", row, on_roster))
        ],
        CANVAS: [
            (f"{_plain(row.student.name)}_{number}_{numbers[row.student.student]}_feedback.md", ".md", row)
            for row in marks
            if (number := _number("canvas_id", row, on_roster)) and row.student.student in numbers
        ],
    }
    for name, files in made.items():
        if files:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for inside, suffix, row in files:
                    entry = zipfile.ZipInfo(inside)  # without a date: the same feedback is the same zip
                    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
                    archive.writestr(entry, (out / "feedback" / f"{row.student.student}{suffix}").read_bytes())
            if not store.write(out / name, packed.getvalue(), 0o600):
                raise OSError(f"{out / name} cannot be written")
        else:
            (out / name).unlink(missing_ok=True)
    return [name for name, files in made.items() if files]


def _number(system: str, row: Marks, on_roster: Mapping[str, Row]) -> str:
    on_it = on_roster.get(row.student.student)
    number = row.student.ids.get(system) or (on_it.ids.get(system) if on_it else "") or ""
    return number if number.isdecimal() else ""


def _in_moodle(row: Marks, number: str) -> str:
    return f"{_plain(row.student.name, ' ') or 'Participant'}_{number}_assignfeedback_file_feedback.html"


def _plain(name: str, between: str = "") -> str:
    """The letters of a name: what parts or ends a file's name, and any number, would be read as something else."""
    kept = "".join(letter if letter.isalpha() else " " for letter in name).split()
    return between.join(kept)[:60].casefold() if not between else between.join(kept)[:60]


def comment(row: Marks, grading: Grading, titles: Mapping[int, str]) -> str:
    """A student's feedback in a few lines of HTML, as Moodle takes it for a comment."""
    listed = tag(
        "ul",
        *(
            tag("li", f"{problem} · {titles.get(problem, '')}: {_told(mark)}")
            for problem, mark in row.by_problem.items()
        ),
    )
    return (
        tag("p", f"{OURS}{words.NO_CHECK if row.blank else shown(row.total)} of {shown(grading.maximum)} points.")
        + (tag("p", words.sentence(row.student.trouble)) if row.student.unread else "")
        + listed
    )


def _told(mark: Mark) -> str:
    points = f"{words.NO_CHECK if mark.blank else shown(mark.points)} of {shown(mark.weight)}"
    if mark.missing:
        return f"{points}, nothing was handed in"
    if mark.grade is None and mark.blank:
        return f"{points}, {'could not be read' if mark.unread and not mark.ungraded else 'not graded yet'}"
    mistakes = ", ".join(dict.fromkeys(words.spoken(mistake) for name in mark.names for mistake, _ in name.mistakes))
    told = [
        points,
        f"could not be read: {mark.trouble}" if mark.unread else mark.grade.status.value if mark.grade else "",
        mistakes,
        mark.late.told if mark.late else "",
        f"points by hand: {mark.override.reason}" if mark.override else "",
    ]
    return "; ".join(filter(None, told))
