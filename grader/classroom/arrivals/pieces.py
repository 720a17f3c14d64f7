"""Which of one student's files counts for which problem.

A file is about the problem that its folders name, else the one that its name tells of if it does not define another's
names instead, else every problem of which it defines a name. A folder that tells only a number may be a week or a date,
and yields to what the file defines.

Of several for one problem the stub in its own folder counts, else the one that is called as the course calls it, else
the latest: what is called a backup or another version does not win by its date, which unpacking and cloning change. One
that is as the course ships it counts only where there is no other. A choice between two that differ is told.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO

from grader.classroom.arrivals import cells
from grader.classroom.arrivals.archive import in_archive, is_archive
from grader.classroom.arrivals.exported import exported, is_export
from grader.classroom.arrivals.files import (
    ARCHIVE,
    CROWDED,
    MANY,
    MUCH,
    NOTEBOOK,
    STUB,
    File,
    Refused,
    refused,
    shown,
    too_large,
)
from grader.classroom.arrivals.kind import kind
from grader.classroom.arrivals.naming import Topics, beside_another, older
from grader.classroom.arrivals.submission import NO_PROBLEM, Piece
from grader.classroom.arrivals.text import as_python_reads_it, checked
from grader.course.problem import Problem, read
from grader.process.stub import same_text

OF_THE_COURSE = {"checks.py", "attempt.py"}
NESTING, ARCHIVES = 2, 20  # archives in archives of one student, and how many in all
# bytes of one student's Python that are parsed to find what they define; more are only searched
PARSED = 512 << 10
EMPTY = "is empty: hand in the file with your answer"
NESTED = "is an archive in an archive in an archive: hand in one zip of your files"
LONG = (
    "holds too much code to find the answer in: write it in a cell that begins with `%%grade` and the number, or "
    "hand in stub.py"
)
NO_NOTEBOOK = "is no notebook that can be read: save it again from Jupyter, or hand in stub.py"
SEVERAL = "is one archive too many: hand in one zip of your files"
NOT_PYTHON = "is {}, and no Python: hand in the file with your code"
NOT_JUPYTER = "is {}, and no notebook: save it again from Jupyter, or hand in stub.py"
RENAMED = "{} is a notebook by another name, and was read as one: call it .ipynb"
CHOSEN = "{} counts, not {}"
ALONE = "{} counts, since there is no other answer: its name is that of a copy, or of what was before"
HIDDEN = "{} was read as {}: take the ending .txt off its name, which Windows hides"
INSTALLED = {"jax", "jaxlib", "flax", "numpy", "optax", "einops", "scipy"}
BESIDE = "{} is not read: put what {} needs of it into that one file"
EXPORTED = "{} is a notebook that was exported as Python, and was read as one: hand in stub.py or the notebook itself"


@dataclass(frozen=True)
class Course:
    """What submissions are held against: the problems, what names say of them, and their stubs as they ship. `asked`
    are those that are graded, if not all."""

    problems: list[Problem]
    asked: list[Problem] = field(default_factory=list)

    @property
    def only(self) -> set[int]:
        """The one problem that a stub can be about that says nothing of it, if there is one."""
        asked = {problem.number for problem in self.asked or self.problems}
        return asked if len(asked) == 1 else set()

    @functools.cached_property
    def topics(self) -> Topics:
        return Topics(self.problems)

    @functools.cached_property
    def shipped(self) -> dict[int, bytes]:
        return {problem.number: read(problem.pristine) for problem in self.problems}


class Nothing(Refused):
    """There is nothing in a file that could be an answer."""


def _once(method: Callable) -> Callable:
    """A method that looks at each file once, and keeps what it found for as long as the work lasts."""

    @functools.wraps(method)
    def kept(self: Work, file: File):
        key = method.__name__, id(file)
        if key not in self._kept:
            self._kept[key] = method(self, file)
        return self._kept[key]

    return kept


@dataclass
class Work:
    """One student's files, read once each, and which problem each is about."""

    course: Course
    files: list[File] = field(default_factory=list)
    # what should be known of how an answer was found, and of what was not read, which is about no problem by itself
    notes: list[tuple[int, str]] = field(default_factory=list)
    _refused: list[tuple[File, str]] = field(default_factory=list)
    _helpers: set[str] = field(default_factory=set)
    _read_as: dict[str, str] = field(default_factory=dict)  # what is said of a file that was not saved as UTF-8
    _archives: int = 0
    _read: int = 0
    _parsed: int = 0
    _kept: dict[tuple[str, int], object] = field(default_factory=dict)

    def take(self, files: Iterable[File], packed: int) -> None:
        """Adds files, and in the place of an archive what it holds."""
        for file in files:
            if file.trouble or not is_archive(file.parts[-1]):
                self.add(file)
            else:
                try:
                    self.take([inner.within(file) for inner in self._unpacked(file, packed)], packed + 1)
                except Refused as refusal:
                    self.add(refused(file.parts, str(refusal), file.when))
            if len(self.files) > MANY:
                raise Refused(CROWDED)

    def add(self, file: File) -> None:
        self.files.append(file)
        if file.trouble and is_archive(file.parts[-1]):
            self._refused.append((file, file.trouble))

    def lost(self) -> list[str]:
        """What could not be read and may have been the answer to anything, with the reason."""
        return [f"{file.place} {why}" for file, why in self._refused if not self.about(file)]

    def _unpacked(self, file: File, packed: int) -> list[File]:
        if packed == NESTING:
            raise Refused(NESTED)
        self._archives += 1
        if self._archives > ARCHIVES:
            raise Refused(SEVERAL)
        return in_archive(BytesIO(self._bytes(file, ARCHIVE)), file.parts[-1])

    def _bytes(self, file: File, limit: int) -> bytes:
        content = file.read(limit)
        self._read += len(content)
        if self._read > ARCHIVE:
            raise Refused(MUCH)
        return content

    def piece(self, problem: Problem) -> Piece | None:
        """What counts for a problem. What could not be read counts before what nobody touched, and where nothing was
        found, since it may have been the answer."""
        candidates = sorted(
            (file for file in self.files if problem.number in self.about(file)),
            key=lambda file: self._rank(problem, file),
            reverse=True,
        )
        found, refusals = [], []
        for file in candidates:
            try:
                found.append((file, *self._answer(problem, file)))
            except Refused as refusal:
                refusals.append((file, refusal))
        written = [one for one in found if not cells.untouched(one[1], self.course.shipped[problem.number])]
        if not written:
            return self._unread(problem, refusals, found[0] if found else None)
        file, content, said = written[0]
        beside = self._beside(file, content)
        if others := [
            other.place
            for other, text, _ in written[1:]
            if other.place not in self._helpers and not same_text(text, content)
        ]:
            self._tell(
                problem, CHOSEN.format(file.place, f"{', '.join(others[:3])}{' and others' if len(others) > 3 else ''}")
            )
        elif beside_another((part for part in file.parts[:-1] if not is_archive(part)), file.stem):
            self._tell(problem, ALONE.format(file.place))
        for line in (*said, *beside):
            self._tell(problem, line)
        self.notes += [(NO_PROBLEM, f"{other.place} {refusal}") for other, refusal in refusals[:1]]
        return self._piece(problem, file, content)

    def _unread(self, problem: Problem, refusals: list[tuple[File, Refused]], untouched: tuple | None) -> Piece | None:
        """What there is for a problem that nobody answered in a file that can be read."""
        told = [
            (file, f"{file.place} {refusal}")
            for file, refusal in refusals
            if not untouched or not isinstance(refusal, Nothing)
        ]
        told += [(untouched[0], line) for line in self.lost()] if untouched else []
        if told:
            return Piece(problem.number, told[0][0].place, trouble=told[0][1])
        if untouched:
            return self._piece(problem, *untouched[:2])
        return next(self._of_another_kind(problem), None)

    def _of_another_kind(self, problem: Problem):
        """What is called as an answer is, and is neither Python nor a notebook: `31.pdf`."""
        for file in self.files:
            other = file.suffix not in ("", ".py", ".ipynb") and not file.trouble
            if other and problem.number in self.course.topics.exactly(file.stem):
                trouble = NOT_PYTHON.format(f"a {shown(file.suffix[1:].upper())} file")
                yield Piece(problem.number, file.place, trouble=f"{file.place} {trouble}")

    def _piece(self, problem: Problem, file: File, content: bytes) -> Piece:
        return Piece(problem.number, file.place, content, when=file.date)

    def _tell(self, problem: Problem, text: str) -> None:
        self.notes.append((problem.number, text))

    @_once
    def about(self, file: File) -> set[int]:
        """The problems that a file is about."""
        if file.suffix not in (".py", ".ipynb") or file.name.lower() in OF_THE_COURSE:
            return set()
        if self._lesson(file):
            return self.course.topics.of(file.stem)
        folder, by_path = next(
            ((part, one) for part in reversed(file.parts[:-1]) if len(one := self.course.topics.of(part)) == 1),
            ("", None),
        )
        if (
            by_path
            and not self.course.topics.by_word(folder)
            and (defined := self._defined(file))
            and not by_path <= defined
        ):
            return defined
        by_name = self.course.topics.of(file.stem)
        is_stub = "stub" in file.stem.lower()
        if by_path and (is_stub or by_name <= by_path and by_name):
            return by_path
        defined = self._defined(file)
        if by_path and (by_path <= defined or not defined):
            return by_path
        if len(by_name) == 1 and (by_name <= defined or not defined):
            return by_name
        return defined or (self.course.only if is_stub else set())

    def _lesson(self, file: File) -> bool:
        """Whether it is a notebook of the course in its place, which also writes the stub."""
        return (
            file.parts[-2:-1] == ("notebooks",)
            and file.suffix == ".ipynb"
            and file.stem in {problem.name for problem in self.course.problems}
        )

    @_once
    def _defined(self, file: File) -> set[int]:
        """The problems that it answers by what it defines."""
        problems = self.course.problems
        try:
            content, book = self._content(file), self._cells(file)
            if book is None and file.suffix != ".py" and content.strip():
                raise Refused(NO_NOTEBOOK)
        except Refused as refusal:
            self._refused.append((file, str(refusal)))
            return set()
        if book is None:
            return cells.defines(content, problems, self._may_parse(len(content)))
        for texts, code in (
            (book.code, book.code),
            (book.prose, cells.as_code(book.prose) if self._may_parse(sum(map(len, book.prose))) else []),
        ):
            if found := {problem.number for problem in problems if cells.graded(texts, problem)} or self._in_cells(
                "\n".join(code).encode()
            ):
                return found
        return set()

    def _in_cells(self, code: bytes) -> set[int]:
        return cells.defines(code, self.course.problems, self._may_parse(len(code)))

    def _may_parse(self, size: int) -> bool:
        """Whether so much more may be parsed: what is hostile takes seconds for each megabyte."""
        self._parsed += size
        return self._parsed <= PARSED

    def _rank(self, problem: Problem, file: File) -> tuple:
        at_home = [part.lower() for part in (*file.parts[-3:-1], file.name)] == ["problems", problem.name, "stub.py"]
        topics = self.course.topics
        weak = (
            "stub" not in file.stem.lower()
            and problem.number not in topics.of(file.stem)
            and problem.number not in self._defined(file)
        )
        return (
            not weak,
            not older((*file.parts[:-1], file.stem)),
            at_home,
            topics.version(file.stem),
            file.name == file.parts[-1],
            file.when,
            -len(file.parts),
            file.parts,
        )

    def _answer(self, problem: Problem, file: File) -> tuple[bytes, list[str]]:
        """The stub that a file holds, and what its student is told of how it was found."""
        content, book = self._content(file), self._cells(file)
        said = [HIDDEN.format(file.place, file.name)] if file.name != file.parts[-1] else []
        said += [self._read_as[file.place].format(file.place)] if file.place in self._read_as else []
        if not content.strip():
            raise Nothing(EMPTY)
        if book is None and file.suffix == ".py":
            return content, said
        if book is None:
            raise Refused(NO_NOTEBOOK)
        if not cells.graded(book.code, problem) and not self._may_parse(sum(map(len, (*book.code, *book.prose)))):
            raise Refused(LONG)
        text, where = cells.answer(book, problem, self.course.shipped[problem.number])
        answer = text.encode()
        if len(answer) > STUB:
            raise too_large(STUB)
        renamed = file.suffix == ".py" and content.lstrip().startswith(b"{")
        if not answer.strip() and file.suffix == ".py" and not renamed:
            return content, said
        if not answer.strip():
            raise Nothing(
                f"has no answer to {problem.number}: write it in the cell that begins with `%%grade "
                f"{problem.number}`, or hand in stub.py"
            )
        said += [(RENAMED if renamed else EXPORTED).format(file.place)] * (file.suffix == ".py") + [
            f"in {file.place}, {where}"
        ] * bool(where)
        return checked(answer), said

    def _beside(self, file: File, content: bytes) -> list[str]:
        """What is said of a module that the answer imports and that lies beside it: one file is graded."""
        tree = cells.parsed(content.decode("utf-8", "replace")) if self._may_parse(len(content)) else None
        nodes = [*ast.walk(tree)] if tree else []
        wanted = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        wanted |= {
            node.module or alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        wanted = {name.partition(".")[0] for name in wanted} - sys.stdlib_module_names - INSTALLED
        helpers = [
            other.place
            for other in self.files
            if other is not file and other.suffix == ".py" and (other.stem in wanted or wanted & {*other.parts[:-1]})
        ]
        self._helpers.update(helpers)
        return [BESIDE.format(helper, file.place) for helper in helpers[:3]]

    @_once
    def _content(self, file: File) -> bytes:
        """What a file holds; Python that was saved in another encoding as UTF-8."""
        content = self._bytes(file, STUB if file.suffix == ".py" else NOTEBOOK)
        if found := kind(content):
            raise Refused((NOT_PYTHON if file.suffix == ".py" else NOT_JUPYTER).format(found))
        if file.suffix != ".py":
            return content
        content, told = as_python_reads_it(content, self._may_parse)
        if told:
            self._read_as[file.place] = told
        return content

    @_once
    def _cells(self, file: File) -> cells.Notebook | None:
        content = self._content(file)
        if file.suffix != ".py" or content.lstrip().startswith(b"{"):
            return cells.notebook(content)
        return exported(content) if is_export(content) and self._may_parse(len(content)) else None

    def unclaimed(self) -> list[str]:
        """A note on what belongs to no problem."""
        left = [
            file.place
            for file in self.files
            if not file.trouble
            and file.suffix in (".py", ".ipynb")
            and not self.about(file)
            and file.name.lower() not in OF_THE_COURSE
            and file.place not in self._helpers
            and file not in [lost for lost, _ in self._refused]
        ]
        return [f"belongs to no problem: {', '.join(left[:5])}{' and others' if len(left) > 5 else ''}"] if left else []
