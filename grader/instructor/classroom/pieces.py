"""Which of one student's files counts for which problem.

A file is about the problem that its folders name, else the one that its name tells of if it does not define another's names instead, else every problem of which
it defines a name. A folder that tells only a number may be a week or a date, and yields to what the file defines. Of several for one problem the stub in its own folder counts, else the latest; one that is as the course ships it only where there is no other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO

from grader.instructor.classroom import cells
from grader.instructor.classroom.archive import in_archive, is_archive
from grader.instructor.classroom.files import ARCHIVE, CROWDED, MANY, MUCH, NOTEBOOK, STUB, File, Refused, refused, too_large
from grader.instructor.classroom.naming import Topics
from grader.instructor.classroom.submission import Piece
from grader.problem import Problem, read
from grader.stub import same_text

OF_THE_COURSE = {"checks.py", "attempt.py"}
NESTING, ARCHIVES = 2, 20                           # archives in archives: what Canvas packs, and what a student packed; and how many of one student
PARSED = 512 << 10                                  # bytes of one student's Python that are parsed to find what they define; more are only searched
EMPTY = "is empty: hand in the file with your answer"
NESTED = "is an archive in an archive in an archive: hand in one zip of your files"
LONG = "holds too much code to find the answer in: write it in a cell that begins with `%%grade` and the number, or hand in stub.py"
NO_NOTEBOOK = "is no notebook that can be read: save it again from Jupyter, or hand in stub.py"
SEVERAL = "is one archive too many: hand in one zip of your files"


@dataclass(frozen=True)
class Course:
    """What submissions are held against: the problems, what names say of them, and their stubs as they ship. `asked` are those that are graded, if not all."""

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
    notes: list[str] = field(default_factory=list)
    _archives: int = 0
    _read: int = 0
    _parsed: int = 0
    _kept: dict[tuple[str, int], object] = field(default_factory=dict)

    def take(self, files: Iterable[File], packed: int) -> None:
        """Adds files, and in the place of an archive what it holds."""
        for file in files:
            if file.trouble or not is_archive(file.parts[-1]):
                self.files.append(file)
            else:
                try:
                    self.take([inner.within(file) for inner in self._unpacked(file, packed)], packed + 1)
                except Refused as refusal:
                    self.files.append(refused(file.parts, str(refusal), file.when))
            if len(self.files) > MANY:
                raise Refused(CROWDED)

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
        """The file that counts for a problem: the stub in its own folder, else the latest. One as the course ships it counts where there is no other."""
        candidates = sorted((file for file in self.files if problem.number in self.about(file)), key=lambda file: self._rank(problem, file), reverse=True)
        untouched = troubled = None
        for file in candidates:
            try:
                content = self._answer(problem, file)
            except Refused as refusal:
                troubled = troubled or Piece(problem.number, file.place, trouble=f"{file.place} {refusal}")
                continue
            piece = Piece(problem.number, file.place, content)
            if not same_text(content, self.course.shipped[problem.number]):
                self._tell(problem, file, candidates)
                self.notes += [troubled.trouble] if troubled else []
                return piece
            untouched = untouched or piece
        return troubled if troubled and not untouched else untouched

    @_once
    def about(self, file: File) -> set[int]:
        """The problems that a file is about."""
        if file.suffix not in (".py", ".ipynb") or file.parts[-1].lower() in OF_THE_COURSE:
            return set()
        if self._lesson(file):
            return self.course.topics.of(file.stem)
        folder, by_path = next(((part, one) for part in reversed(file.parts[:-1]) if len(one := self.course.topics.of(part)) == 1), ("", None))
        if by_path and not self.course.topics.by_word(folder) and (defined := self._defined(file)) and not by_path <= defined:
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
        return file.parts[-2:-1] == ("notebooks",) and file.suffix == ".ipynb" and file.stem in {problem.name for problem in self.course.problems}

    @_once
    def _defined(self, file: File) -> set[int]:
        """The problems that it answers by what it defines."""
        problems = self.course.problems
        try:
            if file.suffix == ".py":
                return cells.defines(self._content(file), problems, self._may_parse(len(self._content(file))))
            found = self._cells(file) or []
        except Refused:
            return set()
        return {problem.number for problem in problems if cells.graded(found, problem)} or self._in_cells("\n".join(found).encode())

    def _in_cells(self, code: bytes) -> set[int]:
        return cells.defines(code, self.course.problems, self._may_parse(len(code)))

    def _may_parse(self, size: int) -> bool:
        """Whether so much more may be parsed: what is hostile takes seconds for each megabyte."""
        self._parsed += size
        return self._parsed <= PARSED

    def _rank(self, problem: Problem, file: File) -> tuple:
        at_home = [part.lower() for part in file.parts[-3:]] == ["problems", problem.name, "stub.py"]
        weak = "stub" not in file.stem.lower() and problem.number not in self.course.topics.of(file.stem) and problem.number not in self._defined(file)
        return at_home, not weak, file.when, -len(file.parts), file.parts

    def _answer(self, problem: Problem, file: File) -> bytes:
        content = self._content(file)
        if not content.strip():
            raise Refused(EMPTY)
        if file.suffix == ".py":
            return content
        if (found := self._cells(file)) is None:
            raise Refused(NO_NOTEBOOK)
        bodies = [body.encode() for body in cells.graded(found, problem)]
        touched = [body for body in bodies if not same_text(body, self.course.shipped[problem.number])]
        if not bodies and not self._may_parse(sum(map(len, found))):
            raise Refused(LONG)
        answer = (touched or bodies or [cells.defining(found, problem).encode()])[-1]
        if len(answer) > STUB:
            raise too_large(STUB)
        if not answer.strip():
            raise Refused(f"has no answer to {problem.number}: write it in the cell that begins with `%%grade {problem.number}`, or hand in stub.py")
        return answer

    @_once
    def _content(self, file: File) -> bytes:
        return self._bytes(file, STUB if file.suffix == ".py" else NOTEBOOK)

    @_once
    def _cells(self, file: File) -> list[str] | None:
        return cells.code_cells(self._content(file))

    def _tell(self, problem: Problem, file: File, candidates: list[File]) -> None:
        others = [other.place for other in candidates if other is not file and not other.trouble and not self._lesson(other)]
        if others:
            self.notes.append(f"{problem.number}: {file.place} counts, not {', '.join(others[:3])}{' and others' if len(others) > 3 else ''}")

    def unclaimed(self) -> list[str]:
        """A note on what belongs to no problem."""
        left = [file.place for file in self.files if not file.trouble and file.suffix in (".py", ".ipynb") and not self.about(file)
                and file.parts[-1].lower() not in OF_THE_COURSE]
        return [f"belongs to no problem: {', '.join(left[:5])}{' and others' if len(left) > 5 else ''}"] if left else []
