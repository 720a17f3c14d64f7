"""What a spreadsheet takes a cell for: text that begins like a formula is one, unless it is quoted. Where a cell begins
depends on the separator that it knows."""

from __future__ import annotations

import re

BEGINS = r"""(?=["'\s]*[=+\-@\uff0b\uff0d\uff1d\uff20])"""
FORMULA = re.compile(rf"^(?=[\"' ]*[\t\r\n])|(?:^|(?<=[;,|\t\r\n])){BEGINS}")


def harmless(text: str) -> str:
    """A cell that a spreadsheet takes for text, whatever stands in it."""
    return FORMULA.sub("'", text)
