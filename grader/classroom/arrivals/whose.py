"""Whose an entry of the folder is.

- A name of Canvas's or Moodle's download says it, and one student may have several files there, of which the latest
  counts for a problem.
- Another folder or archive is one student's, by its name; clones from GitHub Classroom are such folders, whose name
  ends with the user's.
- Loose files are the student's that is left of the name without the problem: `ada_31.py` and `ada_32.py` are ada's.
- A zip whose entries have names of Canvas's or Moodle's is a whole download. Among other entries it also has to be
  called like one, since a student could pack such names to hand in for another.
- An archive in the place of the folder is the class, whatever is in it: it is read as the folder would be that it
  unpacks to.
- A folder that looks like a class of its own is refused where all do. One among others is graded as a student's, with a
  note: its content may be the student's choice.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from grader.classroom.arrivals.archive import NOT_READ, in_archive, is_archive
from grader.classroom.arrivals.check import DOWNLOADED, doubts, is_folder
from grader.classroom.arrivals.files import HISTORY, File, Refused, ignored, is_code, opened, refused, shown, stem_of
from grader.classroom.arrivals.handed import Handed, from_archive, from_file, from_folder, from_list, from_nothing
from grader.classroom.arrivals.naming import Named, Topics, named, safe
from grader.classroom.arrivals.pieces import Course
from grader.classroom.arrivals.submission import LATE
from grader.course.select import UsageError

TYPED = "is a text or a link that was typed in: hand in a file"
DOUBTFUL = "whose {} is can be read in two ways, and somebody else has files under one of them: it is kept apart"
NOBODY = "does not say whose it is: name it after the student, such as ada_31.py"


def of_entries(
    folder: Path, entries: list[Path], topics: Topics, notes: list[str], stack: contextlib.ExitStack
) -> Iterator[Handed]:
    """What each student handed in. A download's students are merged with another's only where everything in the folder
    comes from downloads."""
    by_name = [path for path in entries if named(path.name)]
    downloads = _downloads([path for path in entries if not named(path.name)], stack)
    notes += doubts(folder, entries, downloads, topics)
    loose = {
        path: topics.owner(stem_of(path.name))
        for path in entries
        if is_code(path.name) and not named(path.name) and not is_folder(path)
    }
    only_downloads = len(downloads) + len(by_name) == len(entries)
    listed = {"a download": [(named(path.name), path) for path in by_name]}
    listed |= {
        path.name: [(name, file) for file in files if (name := named(file.parts[0]))]
        for path, files in downloads.items()
    }
    for place, group in {"a download": sum(listed.values(), [])}.items() if only_downloads else listed.items():
        yield from _of_a_download(group, place)
    prefix = _of_the_assignment(folder, entries)
    for path in entries:
        if path not in downloads and path not in by_name and path not in loose:
            yield _of_an_entry(path, prefix)
    for student in sorted(set(loose.values())):
        paths = [path for path, whose in loose.items() if whose == student]
        if student:
            yield Handed(
                safe(student),
                shown(student),
                {},
                tuple(partial(from_file, path, (path.name,), ()) for path in paths),
                f"loose files of {student}",
            )
        else:
            yield from (
                Handed(safe(path.name), "", {}, (partial(from_nothing, path.name, NOBODY),), path.name)
                for path in paths
            )


def of_an_archive(path: Path, course: Course, notes: list[str], stack: contextlib.ExitStack) -> Iterator[Handed]:
    """What each student handed in whose folder or file lies in an archive.

    Raises:
        UsageError: it cannot be read, or is one student's.
    """
    groups = _tops(path, stack)
    by_name = [(name, file) for top in [*groups] if (name := named(top)) for file in groups.pop(top)]
    yield from _of_a_download(by_name, "a download")
    of_problems = {"problems", *(problem.name for problem in course.problems)}
    loose = {
        top: course.topics.owner(stem_of(top))
        for top, files in groups.items()
        if is_code(top) and files[0].parts == (top,)
    }
    if own := next((top for top in groups if top in of_problems or top in loose and not loose[top]), ""):
        raise UsageError(f"{path} holds one student's files ({shown(own)}): name the folder that it lies in")
    clones = [top for top, files in groups.items() if any(file.parts[1:2] == (HISTORY,) for file in files)]
    slug = path.name.partition(".")[0].removesuffix("-submissions") + "-"
    for top, files in groups.items():
        if files[0].parts != (top,):
            ids = {"repository": top} if top in clones else {}
            if ids and all(clone.startswith(slug) for clone in clones):
                ids["github"] = top.removeprefix(slug)
            inner = [replace(file, parts=file.parts[1:]) for file in files if not any(map(ignored, file.parts[1:]))]
            history = tuple(
                replace(file, parts=file.parts[2:])
                for file in files
                if file.parts[1:2] == (HISTORY,) and file.parts[-1] != "."
            )
            yield Handed(safe(top), shown(top), ids, (partial(from_list, inner),), top, history=history)
        elif is_archive(top):
            yield Handed(safe(_stem(top)), shown(_stem(top)), {}, (partial(from_list, files),), top)
        elif top not in loose:
            notes.append(f"left out, since it is no submission: {shown(top)}")
    for student in sorted({*loose.values()}):
        yield Handed(
            safe(student),
            shown(student),
            {},
            (partial(from_list, [groups[top][0] for top in loose if loose[top] == student]),),
            f"loose files of {student}",
        )


def _tops(path: Path, stack: contextlib.ExitStack) -> dict[str, list[File]]:
    """What lies in an archive by the first part of its names, without a folder around all of it."""
    try:
        files = in_archive(stack.enter_context(opened(path)), path.name, whole=True)
    except Refused as refusal:
        raise UsageError(
            f"{path} {str(refusal).partition(':')[0]}: unpack it yourself, and name the folder"
        ) from refusal
    while True:
        groups: dict[str, list[File]] = {}
        for file in files:
            if not ignored(file.parts[0]):
                groups.setdefault(file.parts[0], []).append(file)
        if not groups:
            raise UsageError(f"there is no submission in {path}")
        files = [replace(file, parts=file.parts[1:]) for of_top in groups.values() for file in of_top if file.parts[1:]]
        theirs = {
            file.parts[0] for file in files if not ignored(file.parts[0]) and (file.parts[1:] or named(file.parts[0]))
        }
        around = len(groups) == 1 and not any(map(named, groups)) and (len(theirs) > 1 or any(map(named, theirs)))
        if not around or any(file.parts[0] == ".git" for file in files):
            return groups


def _downloads(entries: list[Path], stack: contextlib.ExitStack) -> dict[Path, list[File]]:
    """The whole downloads among the entries: those that are called like one, or all where there is nothing else."""
    called = {
        path: files
        for path in entries
        if DOWNLOADED.fullmatch(path.stem) and (files := _download(path, stack)) is not None
    }
    others = {}
    for path in entries:
        if path not in called:
            if (files := _download(path, stack)) is None:
                return called
            others[path] = files
    return called | others


def _download(path: Path, stack: contextlib.ExitStack) -> list[File] | None:
    """The files of an archive that may be a whole download of Canvas's or Moodle's, by the names in it: of all, or of
    most and more than one student."""
    if not is_archive(path.name):
        return None
    with contextlib.ExitStack() as trial:
        try:
            files = in_archive(trial.enter_context(opened(path)), path.name, whole=True)
        except Refused:
            return None
        files = [file for file in files if not ignored(file.parts[0])]
        if len({file.parts[0] for file in files}) == 1 and not named(files[0].parts[0]):
            files = [
                replace(file, parts=file.parts[1:]) for file in files if file.parts[1:] and not ignored(file.parts[1])
            ]
        told = [named(top) for top in {file.parts[0] for file in files}]
        theirs = [name.student for name in told if name]
        if not theirs or len(theirs) < len(told) and (len(set(theirs)) < 2 or 2 * len(theirs) <= len(told)):
            return None
        stack.push(trial.pop_all())
        return files


def _of_a_download(entries: Iterable[tuple[Named, Path | File]], place: str) -> Iterator[Handed]:
    """The students of the download in a place, by name and id: one who takes another's id under an own name stays
    another, and so does one who may."""
    entries, grouped = list(entries), {}
    count = Counter(name.student for name, _ in entries)
    for name, entry in entries:
        if name.doubt and count[name.student] > 1:
            name = replace(name, student=name.doubt, ids={})
        grouped.setdefault(name.student, []).append((name, entry))
    for student, of_student in grouped.items():
        first, notes, sources = of_student[0][0], [], []
        for name, entry in of_student:
            sources.append(_source(name, entry))
            doubtful = DOUBTFUL.format(shown(entry.parts[0] if isinstance(entry, File) else entry.name))
            notes += [LATE] * name.late + [doubtful] * (name.student == name.doubt)
        yield Handed(
            safe(student),
            shown(first.name),
            dict(first.ids),
            tuple(sources),
            f"{student} in {place}",
            tuple(dict.fromkeys(notes)),
            max(of_student, key=lambda one: one[0].order)[0].file,
        )


def _source(name: Named, entry: Path | File) -> Callable[[contextlib.ExitStack], list[File]]:
    if isinstance(entry, File):
        if any(map(ignored, entry.parts[1:])):  # as in a folder
            return lambda stack: []
        parts = (name.rest, *entry.parts[1:]) if name.rest else entry.parts[1:] or entry.parts
        file = replace(entry, parts=parts, when=(*name.order, *entry.when))
        return lambda stack: [refused(parts, TYPED) if name.text else file]
    if name.text:
        return partial(from_nothing, entry.name, TYPED)
    if is_folder(entry):
        return partial(from_folder, entry)
    return partial(from_file, entry, (name.rest or entry.name,), name.order)


def _of_the_assignment(folder: Path, entries: list[Path]) -> str:
    """What stands before the users in the names of GitHub Classroom's clones: the folder's own name without
    `-submissions`. What all have in common may be more."""
    clones = [path.name for path in entries if is_folder(path) and (path / ".git").exists()]
    slug = folder.absolute().name.removesuffix("-submissions") + "-"
    return slug if clones and all(name.startswith(slug) and name != slug for name in clones) else ""


def _of_an_entry(path: Path, prefix: str) -> Handed:
    if is_folder(path):
        ids = {"repository": path.name} if (path / ".git").exists() else {}
        if ids and prefix:
            ids["github"] = path.name.removeprefix(prefix)
        return Handed(safe(path.name), shown(path.name), ids, (partial(from_folder, path),), path.name)
    stem, source = (
        _stem(path.name),
        partial(from_archive, path) if is_archive(path.name) else partial(from_file, path, (path.name,), ()),
    )
    return Handed(safe(stem), shown(stem), {}, (source,), path.name, packed=1)


def _stem(name: str) -> str:
    """An archive's name without what tells its kind."""
    while os.path.splitext(name)[1].lower() in (".tar", ".zip", ".tgz", *NOT_READ):
        name = os.path.splitext(name)[0]
    return name
