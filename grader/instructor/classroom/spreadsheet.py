"""What a spreadsheet takes a cell for: text that begins like a formula is one, unless it is quoted."""

from __future__ import annotations

import re

FORMULA = re.compile(r"\s*[=+\-@\uff0b\uff0d\uff1d\uff20]|[\t\r\n]")


def harmless(text: str) -> str:
    """A cell that a spreadsheet takes for text, whatever stands in it."""
    return f"'{text}" if FORMULA.match(text) else text
