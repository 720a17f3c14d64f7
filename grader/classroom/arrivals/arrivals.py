"""A folder of submissions as they really arrive becomes Submissions. Nothing of it is trusted, run, or unpacked to
disk.

Whose each entry is, `whose` says, and under which key, `keys`. What one student does shows in that student's Submission
alone.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from grader.classroom.arrivals.check import check, entries_of, some_of
from grader.classroom.arrivals.files import Refused, refused, shown
from grader.classroom.arrivals.handed import Handed, from_folder
from grader.classroom.arrivals.keys import keyed
from grader.classroom.arrivals.naming import safe
from grader.classroom.arrivals.pieces import Course, Work
from grader.classroom.arrivals.submission import EMPTY_HANDED, NO_PROBLEM, Piece, Student, Submission
from grader.classroom.arrivals.whose import of_an_archive, of_entries
from grader.course.problem import Problem

NOTHING = "there is no answer in it: hand in stub.py, or a zip of your problems folder"


def arrivals(folder: Path, problems: list[Problem], asked: Sequence[Problem] = ()) -> Arrivals:
    """The submissions in a folder, or in an archive of one, in order of their names. `asked` are the problems that are
    graded, if not all.

    Raises:
        UsageError: the folder is not one of submissions; the message says what would be right.
    """
    entries, notes = entries_of(folder)
    course = Course(problems, [*asked])
    check(folder, entries, course)
    stack = contextlib.ExitStack()
    try:
        handed = list(
            of_an_archive(folder, course, notes, stack)
            if entries == [folder]
            else of_entries(folder, entries, course.topics, notes, stack)
        )
        return Arrivals(handed, course, tuple(notes), stack)
    except BaseException:
        stack.close()
        raise


def submitted(folder: Path, problems: list[Problem]) -> Submission:
    """What one student handed in, where it is all of a folder. A problem with it is told in the Submission, and none is
    raised."""
    return _submission(
        Handed(safe(folder.name), "", {}, (partial(from_folder, folder),), folder.name), Work(Course(problems))
    )


def two_numbers(people: Iterable[Submission | Student]) -> list[str]:
    """A note on names with more than one number of Moodle's, of all in a gradebook: each would be as many students,
    with a part of the work each."""
    numbers: dict[str, set[str]] = {}
    for person in people:
        if person.name and "moodle_id" in person.ids:
            numbers.setdefault(person.name, set()).add(person.ids["moodle_id"])
    twice = [f"{name} ({', '.join(sorted(mine))})" for name, mine in numbers.items() if len(mine) > 1]
    return (
        [
            f"one name, and more than one number of Moodle's: {some_of(twice)}. A number belongs to one assignment: "
            "unless these are different people, give each assignment a results folder of its own"
        ]
        if twice
        else []
    )


class Arrivals(Sequence[Submission]):
    """Submissions, each of which is read when it is asked for and not kept, so that a class of a thousand takes no more
    memory than one student's work.

    Who is among them was decided when this was made; `notes` say what else was in the folder. Whoever needs a content
    twice keeps it: the folder may change.
    """

    def __init__(self, handed: list[Handed], course: Course, notes: tuple[str, ...], stack: contextlib.ExitStack):
        self._entries, self._course, self.notes = handed, course, notes
        self._close = weakref.finalize(self, stack.close)
        self.keep({})

    def __len__(self) -> int:
        return len(self._handed)

    def __getitem__(self, index):
        chosen = self._handed[index]
        return list(map(self._read, chosen)) if isinstance(index, slice) else self._read(chosen)

    def keep(self, known: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Gives each entry the key that it had in earlier runs. `known` has the entries of each key, the latest last;
        the same with those of now is given back."""
        self._handed = sorted(keyed(self._entries, known), key=lambda one: one.student)
        now = {
            one.student: [*(origin for origin in known.get(one.student, ()) if origin != one.origin), one.origin]
            for one in self._handed
        }
        return {**known, **now}

    def _read(self, handed: Handed) -> Submission:
        return _submission(handed, Work(self._course))

    def people(self) -> list[Submission]:
        """Who handed in, without what: enough to look them up on a roster."""
        return [Submission(one.student, one.name, one.ids, file=one.file) for one in self._handed]


def _submission(handed: Handed, work: Work) -> Submission:
    """Reads what one student handed in. Whatever is wrong with it is told in it, and costs no other student
    anything."""
    bare = Submission(handed.student, handed.name, handed.ids, notes=handed.notes, history=handed.history)
    try:
        return _read(handed, bare, work)
    except OSError:  # the disk's fault
        raise
    except Exception as error:
        return replace(
            bare, trouble=f"{shown(handed.origin)} cannot be read ({type(error).__name__}): hand in stub.py alone"
        )


def _read(handed: Handed, bare: Submission, work: Work) -> Submission:
    with contextlib.ExitStack() as stack:
        for source in handed.sources:
            try:
                work.take(source(stack), handed.packed)
            except Refused as refusal:
                work.add(refused((handed.origin,), str(refusal)))
        pieces = {problem.number: piece for problem in work.course.problems if (piece := work.piece(problem))}
        notes, lost = [*work.notes, *((NO_PROBLEM, line) for line in work.unclaimed())], work.lost()
    troubles = [*dict.fromkeys([*(f"{file.place} {file.trouble}" for file in work.files if file.trouble), *lost])]
    if pieces:
        unread = {
            problem.number: Piece(problem.number, "", trouble=lost[0]) for problem in work.course.problems if lost
        }
        notes = [*dict.fromkeys([*notes, *((NO_PROBLEM, line) for line in troubles[:3])])]
        of_work = (f"{number}: {line}" if number != NO_PROBLEM else line for number, line in notes)
        return replace(
            bare,
            pieces=unread | pieces,
            notes=tuple(dict.fromkeys((*handed.notes, *of_work))),
            told={about: tuple(line for number, line in notes if number == about) for about, _ in notes},
        )
    there = [file.place for file in work.files][:3]
    nothing = NOTHING + f" (there is only {', '.join(there)})" if there else EMPTY_HANDED
    return replace(
        bare, trouble=troubles[0] if troubles else nothing, notes=tuple(dict.fromkeys((*handed.notes, *troubles[1:4])))
    )
