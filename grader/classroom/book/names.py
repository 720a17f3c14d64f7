"""Names as they are looked up: whichever stands first, without accents and case."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.classroom.arrivals.submission import Student, Submission
    from grader.classroom.book.roster import Row

TRANSLITERATED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def full_name_keys(name: str) -> set[str]:
    """The keys of a name, which may have the last name first."""
    return name_keys(first_last(name)) | name_keys(name)


def first_last(name: str) -> str:
    """`Lovelace, Ada` as `Ada Lovelace`."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}".strip() if comma else name


def name_keys(text: str) -> set[str]:
    """A name without accents and case: its words in order of the alphabet, and as they come without blanks between, as
    Canvas has it."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold().translate(TRANSLITERATED))
    words = re.findall(r"[^\W_]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    return {" ".join(sorted(words)), "".join(words)} - {""}


def names_of(student: Student | Submission, row: Row | None = None) -> set[str]:
    """What a student may be called by in small letters: the key, names, logins and numbers, by the download and by the
    roster."""
    told = [
        student.student,
        student.name,
        *student.ids.values(),
        *((row.name, row.called, *row.ids.values()) if row else ()),
    ]
    return {part.casefold() for name in told for part in (name, name.partition("@")[0]) if part}
