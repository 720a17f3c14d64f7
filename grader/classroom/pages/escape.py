"""Text of a student's in Markdown, in which nothing is markup, nor a link."""

from __future__ import annotations

import re

from grader.report.markup import UNSHOWN

MARKDOWN = re.compile(r"[\\`*_\[\]<>|~&$@]|(?<=[a-z]):(?=//)|(?<=www)\.|^[#+=-]|^\d+(?=[.)])", re.IGNORECASE)


def plain(text: str) -> str:
    """A text in which nothing is markup, nor a link."""
    return MARKDOWN.sub(
        lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", " ".join(_shown(text).split())
    )


def code(text: str) -> str:
    """A text between as many backticks as it needs."""
    text = " ".join(_shown(text).split())
    ticks = _ticks(text, 1)
    return f"{ticks} {text} {ticks}" if "`" in text else f"{ticks}{text}{ticks}"


def fenced(text: str, language: str = "text") -> str:
    """Lines as they are, within a fence that they cannot close."""
    fence = _ticks(text, 3)
    return f"{fence}{language}\n{_shown(text)}\n{fence}"


def _ticks(text: str, least: int) -> str:
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))


def _shown(text: str) -> str:
    """A text without what cannot be shown, and without what turns the direction of all that follows."""
    return re.sub("[\u202a-\u202e\u2066-\u2069]", "", UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text))


def spans(text: str) -> str:
    """A sentence whose parts between backticks are code."""
    parts = text.split("`")
    return (
        "".join(code(part) if i % 2 else _edged(part) for i, part in enumerate(parts))
        if len(parts) % 2
        else plain(text)
    )


def _edged(text: str) -> str:
    """As plain, with the blanks at its ends, which part it from code."""
    return f"{' ' * (text[:1].isspace())}{plain(text)}{' ' * (text[-1:].isspace() and bool(text.strip()))}"
