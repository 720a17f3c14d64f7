"""Names as they are looked up: whichever stands first, without accents and case."""

from __future__ import annotations

import re
import unicodedata

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
