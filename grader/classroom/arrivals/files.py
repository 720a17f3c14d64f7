"""What stands between a folder and a Submission: a File that somebody handed in and nobody has read yet, and why one is
refused."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from grader.process.wire import plain

STUB = 1 << 20  # bytes of one file of Python
NOTEBOOK = 20 << 20
# bytes of an archive that lies in another, and of what one student's files say together
ARCHIVE = 50 << 20
DEPTH = 20  # folders in folders
MANY = 10_000  # files of one student
HISTORY = ".git"  # the folder of a clone that holds its commits
OF_A_SYSTEM = {"__macosx", "thumbs.db", "desktop.ini"}
OF_A_MACHINE = {"__pycache__", "node_modules", "site-packages", "venv", "env", "grader"}

LINK = "is a link, and links are not followed: hand in the file itself"
SPECIAL = "is no plain file: hand in a plain file"
DEEP = f"lies in folders nested more than {DEPTH} deep: hand in your stubs without the folders around them"
CROWDED = f"holds more than {MANY:,} files: hand in only your stubs"
MUCH = f"is too much with the rest, which may be {ARCHIVE >> 20} MB in all: hand in only your stubs"

# with what a system puts between where the name is there already: `31.py (1).txt`, and Canvas's `31.py-1.txt`
TXT = re.compile(r"(\.(?:py|ipynb))( ?\(\d+\)|-\d+)?\.txt$", re.IGNORECASE)


class Refused(Exception):
    """Why something is not read, and what to hand in instead. The sentence goes on after its name."""


@dataclass(frozen=True)
class File:
    """A file where it stood in what a student handed in. `read(limit)` gives all of it, or raises Refused where it is
    longer than that.

    Of two, the later has the larger `when`. `trouble` says why it will not be read, where that is known before.
    """

    parts: tuple[str, ...]
    read: Callable[[int], bytes]
    when: tuple[float, ...] = ()
    trouble: str = ""

    @property
    def place(self) -> str:
        return shown("/".join(self.parts))

    @property
    def name(self) -> str:
        return without_txt(self.parts[-1])

    @property
    def stem(self) -> str:
        return stem_of(self.name)

    @property
    def suffix(self) -> str:
        return os.path.splitext(self.name)[1].lower()

    @property
    def date(self) -> float:
        """When it was changed last, as far as its system tells; 0 where it does not."""
        return self.when[-1] if self.when else 0.0

    def within(self, outer: File) -> File:
        """The same file, told from where the archive lies that it is in."""
        return replace(self, parts=(*outer.parts, *self.parts), when=(*outer.when, *self.when))


def refused(parts: tuple[str, ...], trouble: str, when: tuple[float, ...] = ()) -> File:
    def read(limit: int) -> bytes:
        raise Refused(trouble)

    return File(parts, read, when, trouble)


def without_txt(name: str) -> str:
    """What a file is called whose editor put `.txt` behind it, which Windows hides: `31.py.txt` is `31.py`."""
    return TXT.sub(r"\2\1", name)


def is_code(name: str) -> bool:
    """Whether a file that is called so may be an answer."""
    return without_txt(name).lower().endswith((".py", ".ipynb"))


def stem_of(name: str) -> str:
    name = without_txt(name)
    return name.rpartition(".")[0] or name


def shown(text: str) -> str:
    """A name as it can be shown: nothing in it commands a terminal or breaks a line, and it is not longer than a
    line."""
    text = " ".join(plain(text).split())
    return text if len(text) <= 100 else f"{text[:48]} … {text[-48:]}"


def hidden(name: str) -> bool:
    """Whether a system keeps such a file for itself."""
    return name.startswith(".") or name.casefold() in OF_A_SYSTEM


def ignored(part: str) -> bool:
    """Whether a file or folder of this name is nobody's answer: hidden, a virtual environment, a cache, the grader. A
    `..` is told."""
    return part != ".." and (hidden(part) or part.casefold() in OF_A_MACHINE)


def too_large(limit: int) -> Refused:
    return Refused(f"is larger than {limit >> 20} MB: hand in your answer alone, without data and outputs")


def read_all(stream: BinaryIO, limit: int) -> bytes:
    """What is left of a stream, in pieces, so that it is never asked for more than the limit."""
    pieces, left = [], limit + 1
    while left and (piece := stream.read(min(left, 1 << 16))):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise too_large(limit)
    return b"".join(pieces)


def opened(path: Path) -> BinaryIO:
    """A plain file, opened to be read. Neither a link is followed nor a pipe waited for."""
    try:
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refused(SPECIAL)
    return os.fdopen(handle, "rb")


def on_disk(path: Path, parts: tuple[str, ...], when: tuple[float, ...] = ()) -> File:
    """A file of a folder; what is neither a plain file nor a folder is refused by what `lstat` says, without being
    opened."""

    def read(limit: int) -> bytes:
        with opened(path) as stream:
            return read_all(stream, limit)

    try:
        status = path.lstat()
    except OSError as error:
        return refused(parts, f"cannot be read: {error.strerror}", when)
    if not stat.S_ISREG(status.st_mode):
        return refused(parts, LINK if stat.S_ISLNK(status.st_mode) else SPECIAL, when)
    return File(parts, read, (*when, status.st_mtime))


def in_folder(folder: Path) -> list[File]:
    """Every file below a folder that may be a student's, in order of its name. Links are not followed.

    Raises:
        Refused: there are too many.
    """
    found: list[File] = []
    waiting = [(folder, ())]
    seen = 0
    while waiting:
        at, parts = waiting.pop()
        try:
            with os.scandir(at) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MANY:
                        raise Refused(CROWDED)
                    below = (*parts, entry.name)
                    if ignored(entry.name):
                        continue
                    if not entry.is_dir(follow_symlinks=False):
                        found.append(on_disk(Path(entry.path), below))
                    elif len(below) > DEPTH:
                        found.append(refused(below, DEEP))
                    else:
                        waiting.append((Path(entry.path), below))
        except OSError as error:
            found.append(refused(parts or (folder.name,), f"cannot be read: {error.strerror}"))
    return sorted(found, key=lambda file: file.parts)
