"""What a file of Python says, whichever editor saved it. What nobody can read is refused here, since to the grader it
would be a wrong answer."""

from __future__ import annotations

from collections.abc import Callable

from grader.classroom.arrivals.cells import parsed
from grader.classroom.arrivals.files import Refused
from grader.process.stub import decoded

WIDE = "{} is text in UTF-16, and was read so: save it as UTF-8"
NARROW = "{} is no text in UTF-8, and was read as Windows-1252 (Latin-1): save it as UTF-8"
NO_TEXT = "is no text, or in an encoding that cannot be told: save it as UTF-8, or hand in the file with your code"
MARKS = (b"\xff\xfe", b"\xfe\xff")
# tried in turn, with what the student is told: any bytes are text in these, so that only Python is taken for it
WIDER, ONE_BYTE = (("utf-16-le", WIDE), ("utf-16-be", WIDE)), (("cp1252", NARROW), ("latin-1", NARROW))


def as_python_reads_it(content: bytes, may_parse: Callable[[int], bool]) -> tuple[bytes, str]:
    """The file as Python can read it, and what is said of a file at `{}` that was not saved so. `may_parse` says
    whether so many bytes more may be parsed.

    Raises:
        Refused: Python cannot read it, nor anything that was tried.
    """
    if _is_text(content):
        return content, ""
    if content.startswith(MARKS) and (found := _as(content, "utf-16")):
        return checked(found), WIDE
    for codec, told in WIDER if b"\0" in content else ONE_BYTE:
        found = _as(content, codec)
        if found and may_parse(len(found)) and parsed(found.decode()):
            return checked(found), told
    raise Refused(NO_TEXT)


def checked(content: bytes) -> bytes:
    """The same, unless Python cannot read it: its first lines may name an encoding that it is not in."""
    if not _is_text(content):
        raise Refused(NO_TEXT)
    return content


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in decoded(content)
    except (SyntaxError, ValueError, LookupError):
        return False


def _as(content: bytes, codec: str) -> bytes:
    try:
        return content.decode(codec).encode()
    except UnicodeError:
        return b""
