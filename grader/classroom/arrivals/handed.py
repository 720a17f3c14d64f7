"""What of a folder is one student's, before it is read: where its files are, and whose it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grader.classroom.arrivals.archive import in_archive
from grader.classroom.arrivals.files import File, in_folder, on_disk, opened, refused


@dataclass(frozen=True)
class Handed:
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


# Where files come from. Each of these, with all but the stack given, is one of `sources`.


def from_list(files: list[File], stack: contextlib.ExitStack) -> list[File]:
    return files


def from_folder(path: Path, stack: contextlib.ExitStack) -> list[File]:
    return in_folder(path)


def from_file(path: Path, parts: tuple[str, ...], order: tuple[float, ...], stack: contextlib.ExitStack) -> list[File]:
    return [on_disk(path, parts, order)]


def from_archive(path: Path, stack: contextlib.ExitStack) -> list[File]:
    file = on_disk(path, (path.name,))
    return [file] if file.trouble else in_archive(stack.enter_context(opened(path)), path.name)


def from_nothing(name: str, trouble: str, stack: contextlib.ExitStack) -> list[File]:
    return [refused((name,), trouble)]
