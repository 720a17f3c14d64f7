"""A folder of submissions as they really arrive becomes Submissions. Nothing of it is trusted, run, or unpacked to
disk.

Whose an entry of the folder is:
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

Two that come out as the same student (`ada` and `ada.zip`) are both kept, apart, and told on both; each keeps its key
in later runs, whatever comes in beside it. One that comes in the place of another, as `ada.tar.gz` in the next week,
goes on with its key. What one student does shows in that student's Submission alone.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from grader.classroom.arrivals.archive import NOT_READ, in_archive, is_archive
from grader.classroom.arrivals.files import (
    HISTORY,
    File,
    Refused,
    hidden,
    ignored,
    in_folder,
    on_disk,
    opened,
    refused,
    shown,
)
from grader.classroom.arrivals.naming import Named, Topics, apart, named, safe
from grader.classroom.arrivals.pieces import Course, Work
from grader.classroom.arrivals.submission import EMPTY_HANDED, LATE, Piece, Student, Submission
from grader.course.problem import Problem
from grader.course.select import UsageError

TYPED = "is a text or a link that was typed in: hand in a file"
NOTHING = "there is no answer in it: hand in stub.py, or a zip of your problems folder"
DOUBTFUL = "whose {} is can be read in two ways, and somebody else has files under one of them: it is kept apart"
NOBODY = "does not say whose it is: name it after the student, such as ada_31.py"
OF_A_COURSE = {"problems", "notebooks"}  # where one student's answer may stand twice
DOWNLOADED = re.compile(r".*submissions.*|.+-\d+", re.IGNORECASE)  # what Canvas and Moodle call a download


def arrivals(folder: Path, problems: list[Problem], asked: Sequence[Problem] = ()) -> Arrivals:
    """The submissions in a folder, or in an archive of one, in order of their names. `asked` are the problems that are
    graded, if not all.

    Raises:
        UsageError: the folder is not one of submissions; the message says what would be right.
    """
    entries, notes = _entries(folder)
    course = Course(problems, [*asked])
    _check(folder, entries, course)
    stack = contextlib.ExitStack()
    try:
        handed = list(
            _packed(folder, course, notes, stack)
            if entries == [folder]
            else _handed_in(folder, entries, course.topics, notes, stack)
        )
        return Arrivals(handed, course, tuple(notes), stack)
    except BaseException:
        stack.close()
        raise


def submitted(folder: Path, problems: list[Problem]) -> Submission:
    """What one student handed in, where it is all of a folder. A problem with it is told in the Submission, and none is
    raised."""
    return _submission(
        _Handed(safe(folder.name), "", {}, (partial(_folder, folder),), folder.name), Work(Course(problems))
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
            f"one name, and more than one number of Moodle's: {_listed(twice)}. A number belongs to one assignment: "
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

    def __init__(self, handed: list[_Handed], course: Course, notes: tuple[str, ...], stack: contextlib.ExitStack):
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
        self._handed = sorted(_apart(self._entries, known), key=lambda one: one.student)
        now = {
            one.student: [*(origin for origin in known.get(one.student, ()) if origin != one.origin), one.origin]
            for one in self._handed
        }
        return {**known, **now}

    def _read(self, handed: _Handed) -> Submission:
        return _submission(handed, Work(self._course))

    def people(self) -> list[Submission]:
        """Who handed in, without what: enough to look them up on a roster."""
        return [Submission(one.student, one.name, one.ids, file=one.file) for one in self._handed]


@dataclass(frozen=True)
class _Handed:
    """What of the folder is one student's. Each of `sources` gives files when it is asked; what it needs open, it
    leaves to the stack."""

    student: str
    name: str
    ids: dict[str, str]
    sources: tuple[Callable[[contextlib.ExitStack], list[File]], ...]
    # the entry itself, which tells two of the same student apart: it is the same whatever lies beside it
    origin: str
    notes: tuple[str, ...] = ()
    file: str = ""  # Canvas's number of the last one
    packed: int = 0  # how many archives of the student's its files lie in
    history: tuple[File, ...] = ()  # of a clone that came packed


# Who: the entries of the folder.


def _entries(folder: Path) -> tuple[list[Path], list[str]]:
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
        or path.suffix.lower() in (".py", ".ipynb")
        or not path.is_file()
        or path.is_symlink()
    )


def _check(folder: Path, entries: list[Path], course: Course) -> None:
    names, of_problems = {path.name for path in entries}, {problem.name for problem in course.problems}
    if "problems" in names and (folder / "grader").is_dir():
        raise UsageError(f"{folder} is the course itself: name the folder with the students' submissions")
    own = [
        path
        for path in entries
        if path.name == "problems"
        or path.name in of_problems
        and path.is_dir()
        or path.suffix.lower() in (".py", ".ipynb")
        and not named(path.name)
        and not course.topics.owner(path.stem)
    ]
    if own and (len(own) == len(entries) or any(path.is_dir() for path in own)):
        raise UsageError(
            f"{folder} holds one student's files ({shown(own[0].name)}): put them into a folder named after the "
            f"student, and name the folder around it"
        )
    least = 1 if len(entries) == 1 and DOWNLOADED.fullmatch(entries[0].name) else 2
    if all(_is_class(path, least) for path in entries):
        raise UsageError(f"the submissions lie one folder deeper: {_higher(entries)}")


def _is_class(path: Path, least: int = 2) -> bool:
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
        return sorted(path.iterdir()) if _is_folder(path) else []
    except OSError:
        return []


def _higher(paths: list[Path]) -> str:
    return (
        f"name {paths[0]}"
        if len(paths) == 1
        else f"move what is in {_listed(path.name for path in paths)} into one folder, and name that"
    )


def _listed(names: Iterable[str]) -> str:
    names = [*map(shown, names)]
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _handed_in(
    folder: Path, entries: list[Path], topics: Topics, notes: list[str], stack: contextlib.ExitStack
) -> Iterator[_Handed]:
    """What each student handed in. A download's students are merged with another's only where everything in the folder
    comes from downloads."""
    by_name = [path for path in entries if named(path.name)]
    downloads = _downloads([path for path in entries if not named(path.name)], stack)
    notes += _doubts(folder, entries, downloads, topics)
    loose = {
        path: topics.owner(path.stem)
        for path in entries
        if path.suffix.lower() in (".py", ".ipynb") and not named(path.name) and not _is_folder(path)
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
            yield _Handed(
                safe(student),
                shown(student),
                {},
                tuple(partial(_one, path, (path.name,), ()) for path in paths),
                f"loose files of {student}",
            )
        else:
            yield from (
                _Handed(safe(path.name), "", {}, (partial(_refusal, path.name, NOBODY),), path.name) for path in paths
            )


def _packed(path: Path, course: Course, notes: list[str], stack: contextlib.ExitStack) -> Iterator[_Handed]:
    """What each student handed in whose folder or file lies in an archive.

    Raises:
        UsageError: it cannot be read, or is one student's.
    """
    groups = _tops(path, stack)
    by_name = [(name, file) for top in [*groups] if (name := named(top)) for file in groups.pop(top)]
    yield from _of_a_download(by_name, "a download")
    of_problems = {"problems", *(problem.name for problem in course.problems)}
    loose = {
        top: course.topics.owner(top.rpartition(".")[0])
        for top, files in groups.items()
        if top.lower().endswith((".py", ".ipynb")) and files[0].parts == (top,)
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
            yield _Handed(safe(top), shown(top), ids, (partial(_these, inner),), top, history=history)
        elif is_archive(top):
            yield _Handed(safe(_stem(top)), shown(_stem(top)), {}, (partial(_these, files),), top)
        elif top not in loose:
            notes.append(f"left out, since it is no submission: {shown(top)}")
    for student in sorted({*loose.values()}):
        yield _Handed(
            safe(student),
            shown(student),
            {},
            (partial(_these, [groups[top][0] for top in loose if loose[top] == student]),),
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


def _these(files: list[File], stack: contextlib.ExitStack) -> list[File]:
    return files


def _doubts(folder: Path, entries: list[Path], downloads: dict[Path, list[File]], topics: Topics) -> list[str]:
    """Notes on what may be taken for something else than it is.

    Raises:
        UsageError: a download is there packed and unpacked.
    """
    classes = [path for path in entries if _is_class(path)]
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
            f"in {_listed(path.name for path in entries)} several folders answer the same problem, and only one of "
            f"them counts: "
            f"if they are students', {_higher(entries)}"
        )
    for path, files in downloads.items():
        if nameless := dict.fromkeys(file.parts[0] for file in files if not named(file.parts[0])):
            told.append(f"left out of {shown(path.name)}, since no student's name is on it: {_listed(nameless)}")
    return told


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


def _of_a_download(entries: Iterable[tuple[Named, Path | File]], place: str) -> Iterator[_Handed]:
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
        yield _Handed(
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
        return partial(_refusal, entry.name, TYPED)
    if _is_folder(entry):
        return partial(_folder, entry)
    return partial(_one, entry, (name.rest or entry.name,), name.order)


def _of_the_assignment(folder: Path, entries: list[Path]) -> str:
    """What stands before the users in the names of GitHub Classroom's clones: the folder's own name without
    `-submissions`. What all have in common may be more."""
    clones = [path.name for path in entries if _is_folder(path) and (path / ".git").exists()]
    slug = folder.absolute().name.removesuffix("-submissions") + "-"
    return slug if clones and all(name.startswith(slug) and name != slug for name in clones) else ""


def _of_an_entry(path: Path, prefix: str) -> _Handed:
    if _is_folder(path):
        ids = {"repository": path.name} if (path / ".git").exists() else {}
        if ids and prefix:
            ids["github"] = path.name.removeprefix(prefix)
        return _Handed(safe(path.name), shown(path.name), ids, (partial(_folder, path),), path.name)
    stem, source = (
        _stem(path.name),
        partial(_archive, path) if is_archive(path.name) else partial(_one, path, (path.name,), ()),
    )
    return _Handed(safe(stem), shown(stem), {}, (source,), path.name, packed=1)


def _stem(name: str) -> str:
    """An archive's name without what tells its kind."""
    while os.path.splitext(name)[1].lower() in (".tar", ".zip", ".tgz", *NOT_READ):
        name = os.path.splitext(name)[0]
    return name


def _apart(handed: list[_Handed], known: Mapping[str, list[str]]) -> Iterator[_Handed]:
    """The same, none with the key of another, now or in an earlier run, whatever a system holds of small and large
    letters; who shares a name is told so.

    Who had a key keeps it. Who comes alone by a name goes on with what the name had before. Who shares it gets a key of
    the entry's own.
    """
    sharing: dict[str, list[str]] = {}
    for one in handed:
        sharing.setdefault(one.student.casefold(), []).append(one.origin)
    had = {origins[-1]: key for key, origins in known.items()}
    taken, before = set(), {key.casefold(): key for key in known}
    for one in sorted(handed, key=lambda one: one.origin not in had):
        origins = sharing[one.student.casefold()]
        alone = len(origins) == 1
        own = itertools.chain(
            [one.student] * alone,
            [safe(one.origin)],
            (apart(one.student, f"{one.origin}{count or ''}") for count in itertools.count()),
        )
        old = (
            [had[one.origin]]
            if one.origin in had
            else [before[one.student.casefold()]]
            if alone and one.student.casefold() in before
            else []
        )
        student = next(
            key
            for key in itertools.chain(old, (key for key in own if key.casefold() not in before))
            if key.casefold() not in taken
        )
        taken.add(student.casefold())
        told = (
            []
            if alone
            else [
                f"handed in more than once, as {_either(origins)}: each is graded on its own; take away those that do "
                f"not count"
            ]
        )
        earlier = [origin for origin in known.get(student, ()) if origin != one.origin]
        if earlier and not one.ids:  # a download's number tells who it is
            told.append(
                f"handed in as {_either(earlier)} before: the last answer to each problem counts; rename it if it is "
                f"another student's"
            )
        yield replace(one, student=student, notes=(*one.notes, *told))


def _either(origins: list[str]) -> str:
    return " and ".join(map(shown, origins[:4]))


# What: the files of one student.


def _folder(path: Path, stack: contextlib.ExitStack) -> list[File]:
    return in_folder(path)


def _one(path: Path, parts: tuple[str, ...], order: tuple[float, ...], stack: contextlib.ExitStack) -> list[File]:
    return [on_disk(path, parts, order)]


def _archive(path: Path, stack: contextlib.ExitStack) -> list[File]:
    file = on_disk(path, (path.name,))
    return [file] if file.trouble else in_archive(stack.enter_context(opened(path)), path.name)


def _refusal(name: str, trouble: str, stack: contextlib.ExitStack) -> list[File]:
    return [refused((name,), trouble)]


def _submission(handed: _Handed, work: Work) -> Submission:
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


def _read(handed: _Handed, bare: Submission, work: Work) -> Submission:
    with contextlib.ExitStack() as stack:
        for source in handed.sources:
            try:
                work.take(source(stack), handed.packed)
            except Refused as refusal:
                work.add(refused((handed.origin,), str(refusal)))
        pieces = {problem.number: piece for problem in work.course.problems if (piece := work.piece(problem))}
        notes, lost = (*handed.notes, *work.notes, *work.unclaimed()), work.lost()
    troubles = [*dict.fromkeys([*(f"{file.place} {file.trouble}" for file in work.files if file.trouble), *lost])]
    if pieces:
        unread = {
            problem.number: Piece(problem.number, "", trouble=lost[0]) for problem in work.course.problems if lost
        }
        return replace(
            bare,
            pieces=unread | pieces,
            notes=tuple(dict.fromkeys((*notes, *troubles[:3]))),
            told={number: tuple(dict.fromkeys(said)) for number, said in work.told.items()},
        )
    there = [file.place for file in work.files][:3]
    nothing = NOTHING + f" (there is only {', '.join(there)})" if there else EMPTY_HANDED
    return replace(
        bare, trouble=troubles[0] if troubles else nothing, notes=tuple(dict.fromkeys((*handed.notes, *troubles[1:4])))
    )
