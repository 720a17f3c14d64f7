"""Reads a student's file and says what can be said of it without running it: it is missing, untouched, or no Python."""

from __future__ import annotations

import ast
import codecs
import io
import re
import time
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path

from grader.course.problem import CourseError, Problem, read
from grader.course.verdict import Check, Finding, Status
from grader.process import store

IMPORT = Check("", "import")
NO_TEXT = ("punycode", "idna", "undefined")  # codecs that Python has for other things; some take minutes for a file


@dataclass(frozen=True)
class Stub:
    """A file to grade: its text, or the trouble that keeps it from being run."""

    path: Path
    content: bytes = b""
    source: str = ""
    trouble: Finding | None = None


def open_stub(problem: Problem, path: Path | None = None) -> Stub:
    path = path or problem.stub
    shown = shown_path(problem, path)
    try:
        content = path.read_bytes()
    except OSError as error:
        own = path == problem.stub
        return Stub(
            path,
            trouble=_trouble(
                f"there is no file {shown}"
                if isinstance(error, FileNotFoundError)
                else f"{shown} cannot be read: {error.strerror}",
                f"`python -m grader reset {problem.number}` puts the stub back."
                if own
                else "Check the path after --file.",
            ),
        )
    return stub_of(problem, path, content)


def stub_of(problem: Problem, path: Path, content: bytes) -> Stub:
    """What can be said of a content. `path` is only what it is called."""
    shown = shown_path(problem, path)
    if same_text(content, read(problem.pristine)):
        return Stub(
            path,
            content,
            trouble=Finding(
                IMPORT,
                Status.NOT_WRITTEN,
                "the stub is as it came: nothing is written yet",
                advice=f"Open {shown} and fill in the TODO; `python -m grader lesson {problem.number}` shows the "
                f"lesson.",
            ),
        )
    try:
        source = decoded(content)
    except (SyntaxError, ValueError, LookupError):
        return Stub(
            path,
            content,
            trouble=_trouble(
                f"{shown} is not text in UTF-8, and its first lines name no other encoding",
                "Save it as UTF-8, or write `# -*- coding: latin-1 -*-` (or what it is) into its first line.",
            ),
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source.encode() if "\0" in source else source, str(path))
    except SyntaxError as error:
        if error.lineno is None:  # NUL bytes have none, in the newer versions of Python
            return Stub(path, content, source, _trouble(f"{shown} is not Python: {error.msg}", "Nothing was run."))
        if conflict := re.search(r"^[ \t]*<{7} .*$", source, re.MULTILINE):
            at = source.count("\n", 0, conflict.start()) + 1
            return Stub(
                path,
                content,
                source,
                _trouble(
                    f"line {at} is the mark of a merge conflict",
                    "Git left both versions in the file. Keep one, and "
                    "delete the lines that begin with `<<<<<<<`, `=======` and `>>>>>>>`.",
                    ((at, "", conflict[0].strip()),),
                ),
            )
        line = (error.lineno, "", (error.text or "").rstrip("\n"))
        return Stub(
            path,
            content,
            source,
            _trouble(
                f"line {error.lineno} is not Python: {error.msg}",
                "Python cannot read the file past this line; nothing was run.",
                (line,),
            ),
        )
    except (ValueError, RecursionError, MemoryError) as error:
        return Stub(
            path,
            content,
            source,
            _trouble(f"{shown} is not Python: {error or 'it is nested too deeply'}", "Nothing was run."),
        )
    return Stub(path, content, source)


def decoded(content: bytes) -> str:
    """A file's text, in the encoding that its first lines name, or else in UTF-8.

    Raises:
        SyntaxError, ValueError, LookupError: it is none.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    if codecs.lookup(encoding).name in NO_TEXT:
        raise LookupError(encoding)
    return io.TextIOWrapper(io.BytesIO(content), encoding).read()


def replace_stub(problem: Problem, content: bytes) -> str:
    """Writes the stub, and says where a copy of what was there is kept, if it was not the shipped text. Without a copy
    nothing is written."""
    root, shown, earlier = problem.folder.parents[1], shown_path(problem, problem.stub), ""
    there = problem.stub.read_bytes() if problem.stub.exists() else None
    if there is not None and there != read(problem.pristine):
        folder = store.folder(root, "kept", problem.name)
        copy = folder / f"stub-{time.strftime('%Y%m%d-%H%M%S')}-{store.digest(there)[:4]}.py" if folder else None
        if copy is None or not store.write(copy, there):
            raise CourseError(f"your {shown} could not be copied to a safe place, so it was left as it is")
        earlier = shown_path(problem, copy)
    if not store.write(problem.stub, content):
        raise CourseError(f"{shown} cannot be written to; it was left as it is")
    return earlier


def shown_path(problem: Problem, path: Path) -> str:
    """The path from the course's folder where it lies inside, as the student would type it."""
    try:
        return path.resolve().relative_to(problem.folder.parents[1].resolve()).as_posix()
    except ValueError:
        return str(path)


def _trouble(summary: str, advice: str, lines=()) -> Finding:
    return Finding(IMPORT, Status.FAILED, summary, lines=lines, advice=advice)


def same_text(one: bytes, other: bytes) -> bool:
    """Equal but for line ends and trailing blanks, which an editor may change by itself."""
    return [line.rstrip() for line in one.rstrip().splitlines()] == [
        line.rstrip() for line in other.rstrip().splitlines()
    ]
