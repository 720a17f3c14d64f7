"""What somebody may be called by, wherever a person names a student."""

from __future__ import annotations

from grader.classroom.arrivals.submission import Student, Submission
from grader.classroom.book.roster import Row


def names_of(student: Student | Submission, row: Row | None = None) -> set[str]:
    """What a student may be called by in small letters: the key, names, logins and numbers, by the download and by the
    roster."""
    told = [
        student.student,
        student.name,
        *student.ids.values(),
        *((row.name, row.called, *row.ids.values()) if row else ()),
    ]
    return {part.casefold() for name in told for part in (name, name.partition("@")[0]) if part}
