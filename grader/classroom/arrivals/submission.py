"""The nouns that come in: a Submission is what one student handed in, a Piece what of it belongs to one problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grader.classroom.arrivals.files import File

LATE = "late"  # the note of what a download calls late
NO_PROBLEM = 0  # in the place of a number: what is about none by itself


# the trouble of who handed in no file at all
EMPTY_HANDED = "nothing is in it: hand in stub.py, or a zip of your problems folder"


@dataclass(frozen=True)
class Piece:
    """A stub for one problem as it arrived, or the `trouble` that kept it from being read (a sentence for the student).
    `place` is where it stood.

    `when` is the date of its file, in seconds since 1970 as the file's system told them; 0 where nothing tells it.
    """

    problem: int
    place: str
    content: bytes = b""
    trouble: str = ""
    when: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Submission:
    """Everything of one student. `student` names the submission in the gradebook, and is the same each time the same
    folder is read.

    `name` is for people; `ids` are what the download's file names say of the student in their system (`canvas_id`,
    `moodle_id`, `github`, `repository`). `trouble` is what kept all of it from being read, such as a zip bomb; `notes`
    are what an instructor should know (late, a second version, files left out). `told` is what the student should know
    too of how the answer to a problem was found, such as which of two files counts; below `NO_PROBLEM` of what is about
    none by itself, such as a file that nobody read. `history` is what a clone that came packed knows of its commits.
    """

    student: str
    name: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    pieces: Mapping[int, Piece] = field(default_factory=dict)
    trouble: str = ""
    notes: tuple[str, ...] = ()
    file: str = ""  # Canvas's number of the last file, to which feedback is attached
    told: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    history: tuple[File, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Student:
    student: str
    name: str
    ids: Mapping[str, str]
    trouble: str
    notes: tuple[str, ...]
    told: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def unread(self) -> bool:
        """Whether something arrived of which nothing could be read: an empty folder is nothing."""
        return self.trouble not in ("", EMPTY_HANDED)
