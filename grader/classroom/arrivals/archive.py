"""An archive from a stranger becomes a list of Files, read in memory and not unpacked to disk."""

from __future__ import annotations

import calendar
import gzip
import io
import re
import stat
import tarfile
import zipfile
from functools import partial
from typing import BinaryIO

from grader.classroom.arrivals.files import (
    ARCHIVE,
    CROWDED,
    DEEP,
    DEPTH,
    HISTORY,
    LINK,
    MANY,
    SPECIAL,
    File,
    Refused,
    ignored,
    read_all,
    refused,
    without_txt,
)
from grader.classroom.arrivals.kind import NEEDED, kind

READ = (".zip", ".tar.gz", ".tgz", ".tar")
NOT_READ = (".rar", ".7z", ".gz", ".bz2", ".xz", ".zst", ".lzma", ".z", ".tbz", ".txz", ".zipx", ".cab", ".iso", ".dmg")
WANTED = (".py", ".ipynb", *READ)
ENTRY = 160  # bytes of a zip's table of contents for each member, on the average
MEMBERS = 50_000  # with those that are ignored, such as a virtual environment's
WHOLE = 200_000  # members of a whole download
UNPACKED = 256 << 20  # bytes of a tar that are gone through
# bytes that a zip says it unpacks to, and how many times its own size that is
BOMB = 1 << 30, 100

BROKEN = "is damaged and cannot be unpacked: pack it again, and open it once yourself before you hand it in"
LOCKED = "is locked with a password: hand in a zip without one"
PACKED = "is packed in a way that is not read here: hand in a plain .zip"
LEAVES = "leads out of its archive: pack your files under their own names, without `..` and without a drive"
BURSTS = "unpacks to far more than it should: hand in only your stubs"
OTHER = "is {}, whatever it is called: hand in a plain .zip of your files"
NAMELESS = "has a name that no file can have: pack your files under their own names"


def is_archive(name: str) -> bool:
    return name.lower().endswith((*READ, *NOT_READ))


def in_archive(stream: BinaryIO, name: str, whole: bool = False) -> list[File]:
    """The files of an archive that may be a student's, in the order in which it lists them. Those of a zip are read
    from the stream when they are asked for.

    Of a `whole` download of many students, what is ignored is listed too: who handed in nothing else is told so, and a
    clone's history can be read. One student's bomb does not spoil the others' work: a file is held to its limit when it
    is read.

    Raises:
        Refused: it is broken, a bomb, or of a kind that is not read.
    """
    if not name.lower().endswith(READ):
        raise Refused(PACKED)
    start = b""
    try:
        start = stream.read(NEEDED)
        stream.seek(0)
        tar = start.startswith(b"\x1f\x8b") or name.lower().endswith(".tar") and not start.startswith(b"PK")
        found = _tar(stream, start, whole) if tar else _zip(stream, whole)
    except Refused:
        raise
    except Exception as error:  # whatever the bytes of a stranger make a library raise
        told = kind(start)
        raise Refused(OTHER.format(told) if told and not start.startswith((b"PK", b"\x1f\x8b")) else BROKEN) from error
    if not whole and len(found) > MANY:
        raise Refused(CROWDED)
    return found


def _zip(stream: BinaryIO, whole: bool) -> list[File]:
    most = WHOLE if whole else MEMBERS
    archive = zipfile.ZipFile(_Careful(stream, most * ENTRY, CROWDED, entries=most))
    members = archive.infolist()
    unpacked, size = sum(member.file_size for member in members), stream.seek(0, io.SEEK_END)
    if not whole and unpacked > BOMB[0] and unpacked > BOMB[1] * size:
        raise Refused(BURSTS)
    found = []
    for member in members:
        parts, trouble = _parts(member.filename)
        trouble = trouble or _trouble_of(member)
        if member.filename.endswith(("/", "\\")) or any(map(ignored, parts)):
            history = HISTORY in parts and not trouble
            found += [File(parts, partial(_unpacked, archive, member)) if history else _listed(parts)] if whole else []
            continue
        when = (_seconds(member.date_time),)
        found.append(
            refused(parts, trouble, when) if trouble else File(parts, partial(_unpacked, archive, member), when)
        )
    return found


def _trouble_of(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return LINK if kind == stat.S_IFLNK else SPECIAL
    if member.flag_bits & 1:
        return LOCKED
    return "" if member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else PACKED


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    try:
        with archive.open(member) as stream:
            return read_all(stream, limit)
    except Refused:
        raise
    except Exception as error:
        raise Refused(BROKEN) from error


def _seconds(date: tuple) -> float:
    try:
        return calendar.timegm(date)
    except (ValueError, OverflowError):  # the 31st of no month
        return 0.0


def _tar(stream: BinaryIO, start: bytes, whole: bool) -> list[File]:
    """A tar has no table of contents, so what may be needed is read at once."""
    unpacked = gzip.GzipFile(fileobj=stream) if start.startswith(b"\x1f\x8b") else stream
    found, kept, seen = [], 0, 0
    with tarfile.open(fileobj=_Careful(unpacked, UNPACKED, BURSTS, forward=True), mode="r:") as archive:
        while (member := archive.next()) is not None:
            seen += 1
            if seen > (WHOLE if whole else MEMBERS) or not whole and len(found) > MANY:
                raise Refused(CROWDED)
            archive.members.clear()  # it would keep them all
            parts, trouble = _parts(member.name)
            if member.isdir() or any(map(ignored, parts)):
                # all of a tar is held to a limit
                history = whole and HISTORY in parts and not trouble and member.isreg()
                found += (
                    [File(parts, partial(_kept, archive.extractfile(member).read())) if history else _listed(parts)]
                    if whole
                    else []
                )
                continue
            trouble = trouble or (LINK if member.issym() or member.islnk() else "" if member.isreg() else SPECIAL)
            when = (float(member.mtime),)
            content = b""
            if not trouble and without_txt(parts[-1]).lower().endswith(WANTED):
                content = read_all(archive.extractfile(member), ARCHIVE - kept)
                kept += len(content)
            found.append(refused(parts, trouble, when) if trouble else File(parts, partial(_kept, content), when))
    return found


def _listed(parts: tuple[str, ...]) -> File:
    """A folder, or what is ignored: hidden in its place is a file that nobody reads."""
    return File((*parts, "."), partial(_kept, b""))


def _kept(content: bytes, limit: int) -> bytes:
    return read_all(io.BytesIO(content), limit)


def _parts(name: str) -> tuple[tuple[str, ...], str]:
    """A member's name as a path below the archive, and why it is none. Archives of Windows have backslashes."""
    path = name.replace("\\", "/")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if not parts:
        return ("?",), NAMELESS
    if path.startswith("/") or ".." in parts or re.match("[A-Za-z]:", path):
        return parts[-DEPTH:], LEAVES
    return (parts, "") if len(parts) <= DEPTH + 1 else (parts[:DEPTH], DEEP)


class _Careful:
    """A stream that refuses to give more than `limit` bytes at once, and where it only goes forward, in all.

    What a header says of lengths goes through here before memory is taken for it: a zip's table of contents, a tar's
    extended headers.
    """

    def __init__(self, stream: BinaryIO, limit: int, reason: str, forward: bool = False, entries: int = 0):
        self._stream, self._limit, self._reason, self._forward, self._entries = stream, limit, reason, forward, entries

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(self._limit + 1 if size is None or size < 0 else min(size, self._limit + 1))
        # a table of contents, before the library takes seconds for it
        if self._entries and data.count(b"PK\x01\x02") > self._entries:
            raise Refused(CROWDED)
        if len(data) > self._limit or self._forward and self.tell() > self._limit:
            raise Refused(self._reason)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if self._forward and (whence != io.SEEK_SET or offset < self.tell()):
            raise Refused(BROKEN)
        if self._forward and offset > self._limit:
            raise Refused(self._reason)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Whoever opened the stream closes it."""
