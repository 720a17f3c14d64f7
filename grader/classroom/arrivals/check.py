"""Whether a folder is one of submissions, and what in it may be taken for something else than it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from grader.classroom.arrivals.archive import is_archive
from grader.classroom.arrivals.files import File, hidden, ignored, is_code, shown, stem_of
from grader.classroom.arrivals.naming import Topics, named
from grader.classroom.arrivals.pieces import Course
from grader.course.select import UsageError

OF_A_COURSE = {"problems", "notebooks"}  # where one student's answer may stand twice
DOWNLOADED = re.compile(r".*submissions.*|.+-\d+", re.IGNORECASE)  # what Canvas and Moodle call a download


def entries_of(folder: Path) -> tuple[list[Path], list[str]]:
    """What of a folder may be handed in, in order of the names, and notes on the rest; an archive in its place is its
    own only entry.

    Raises:
        UsageError: there is nothing such.
    """
    if folder.is_file() and is_archive(folder.name):
        return [folder], []
    try:
        entries = sorted((path for path in folder.iterdir() if not hidden(path.name)), key=lambda path: path.name)
    except NotADirectoryError:
        raise UsageError(
            f"{folder} is a file: name the folder of submissions that it lies in, or the download as a zip"
        ) from None
    except FileNotFoundError:
        raise UsageError(f"there is no folder {folder}: name the folder of submissions") from None
    if not entries:
        raise UsageError(
            f"{folder} is empty: put one folder or one zip for each student into it, or the download of Canvas or "
            f"Moodle"
        )
    theirs = [path for path in entries if _may_be_handed_in(path)]
    others = [shown(path.name) for path in entries if path not in set(theirs)]
    if not theirs:
        raise UsageError(
            f"there is no submission in {folder}, only {', '.join(others[:3])}: put one folder or one zip for each "
            f"student into it"
        )
    return theirs, [f"left out, since it is no submission: {name}" for name in others]


def _may_be_handed_in(path: Path) -> bool:
    return (
        named(path.name) is not None
        or is_archive(path.name)
        or is_code(path.name)
        or not path.is_file()
        or path.is_symlink()
    )


def check(folder: Path, entries: list[Path], course: Course) -> None:
    """Raises UsageError where the folder is the course, one student's, or stands around the one that is meant; the
    message says which to name."""
    names, of_problems = {path.name for path in entries}, {problem.name for problem in course.problems}
    if "problems" in names and (folder / "grader").is_dir():
        raise UsageError(f"{folder} is the course itself: name the folder with the students' submissions")
    own = [
        path
        for path in entries
        if path.name == "problems"
        or path.name in of_problems
        and path.is_dir()
        or is_code(path.name)
        and not named(path.name)
        and not course.topics.owner(stem_of(path.name))
    ]
    if own and (len(own) == len(entries) or any(path.is_dir() for path in own)):
        raise UsageError(
            f"{folder} holds one student's files ({shown(own[0].name)}): put them into a folder named after the "
            f"student, and name the folder around it"
        )
    least = 1 if len(entries) == 1 and DOWNLOADED.fullmatch(entries[0].name) else 2
    if all(is_class(path, least) for path in entries):
        raise UsageError(f"the submissions lie one folder deeper: {_higher(entries)}")


def is_class(path: Path, least: int = 2) -> bool:
    """Whether a folder holds many students' work, as it seems: so many are named as in a download, or it has several
    clones or courses."""
    inner = _within(path)
    if named(path.name) or ".git" in {each.name for each in inner}:  # one student's, whatever is in it
        return False
    students = {name.student for each in inner if (name := named(each.name))}
    return (
        len(students) >= least
        or sum(bool({".git", "problems"} & {part.name for part in _within(each)}) for each in inner) > 1
    )


def _hold_versions(path: Path, topics: Topics) -> bool:
    """Whether several folders in it answer the same problem: those of several students, or what one tried."""
    answers = [
        {number for part in _within(each) for number in topics.of(part.stem) or ({0} if part.name == "stub.py" else ())}
        for each in _within(path)
        if each.name not in OF_A_COURSE and not ignored(each.name) and not topics.of(each.name)
    ]
    return any(one & other for one, other in itertools.combinations(answers[:50], 2))


def _within(path: Path) -> list[Path]:
    """What a folder holds, as far as it can be seen."""
    try:
        return sorted(path.iterdir()) if is_folder(path) else []
    except OSError:
        return []


def _higher(paths: list[Path]) -> str:
    return (
        f"name {paths[0]}"
        if len(paths) == 1
        else f"move what is in {some_of(path.name for path in paths)} into one folder, and name that"
    )


def some_of(names: Iterable[str]) -> str:
    names = [*map(shown, names)]
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")


def is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def doubts(folder: Path, entries: list[Path], downloads: dict[Path, list[File]], topics: Topics) -> list[str]:
    """Notes on what may be taken for something else than it is.

    Raises:
        UsageError: a download is there packed and unpacked.
    """
    classes = [path for path in entries if is_class(path)]
    for path in classes:
        if packed := next((one for one in downloads if one.stem == path.name), None):
            raise UsageError(
                f"{shown(path.name)} and {shown(packed.name)} in {folder} are one download, unpacked and packed: take "
                f"one of them away"
            )
    told = [
        f"{shown(path.name)} looks like a class, and is graded as one student's: if it is one, move what is in it up "
        f"into {folder}"
        for path in classes
    ]
    if all(_hold_versions(path, topics) for path in entries):
        told.append(
            f"in {some_of(path.name for path in entries)} several folders answer the same problem, and only one of "
            f"them counts: "
            f"if they are students', {_higher(entries)}"
        )
    for path, files in downloads.items():
        if nameless := dict.fromkeys(file.parts[0] for file in files if not named(file.parts[0])):
            told.append(f"left out of {shown(path.name)}, since no student's name is on it: {some_of(nameless)}")
    return told
