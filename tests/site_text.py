"""What a built page says, without its markup, and the statements of the solutions, for the test that holds one against
the other."""

from __future__ import annotations

import ast
import functools
import html.parser
import io
import json
import re
from pathlib import Path

import numpy as np

# characters without blanks and backticks; `return x`, `y = x + 1` and the like give nothing away
SHORTEST = 14


class _Text(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data):
        self.parts.append(data)


def text_of(path: Path) -> str:
    """Everything that a page or a notebook says, blanks aside."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        content = "\n".join(_strings(json.loads(content)))
    elif path.suffix == ".html":
        parser = _Text()
        parser.feed(content)
        content = "".join(parser.parts)
    return squeezed(content)


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield "".join(part for part in value if isinstance(part, str))
        for part in value:
            yield from _strings(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)


def statements(path: Path) -> dict[str, str]:
    """The statements within the functions of a file as they are written, each with how Python writes it; blanks and
    docstrings aside."""
    source = path.read_bytes()
    lines = source.splitlines(keepends=True)
    found = {}
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            simple = isinstance(node, ast.stmt) and not hasattr(node, "body")
            if simple and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                rows = lines[node.lineno - 1 : node.end_lineno]
                written = b"".join([*rows[:-1], rows[-1][: node.end_col_offset]])[node.col_offset :].decode()
                found[squeezed(written)] = squeezed(ast.unparse(node))
    return {written: plain for written, plain in found.items() if len(written) >= SHORTEST}


@functools.cache
def unsaid(root: Path, also_said: str = "") -> set[str]:
    """The statements of all solutions, in both forms, that nothing under `problems/` says, nor `also_said`."""
    said = "".join(
        text_of(path) for path in (root / "problems").rglob("*") if path.suffix in (".md", ".py")
    ) + squeezed(also_said)
    found = [pair for path in (root / "solutions").rglob("*.py") for pair in statements(path).items()]
    told = those_in({form for pair in found for form in pair}, said)
    return {form for pair in found if told.isdisjoint(pair) for form in pair}


def those_in(forms: set[str], text: str) -> set[str]:
    """Which of many strings are in a long text: only those are looked for of which the beginning is there."""
    beginnings = {form[:SHORTEST] for form in forms}
    there = beginnings.intersection(text[at : at + SHORTEST] for at in range(len(text)))
    return {form for form in forms if (form[:SHORTEST] in there or len(form) < SHORTEST) and form in text}


def opened(content: bytes) -> bytes:
    """What bytes that may end with an answer key say: themselves, and what is compressed in the key."""
    at = content.find(b"PK\x03\x04")
    if at < 0:
        return content
    with np.load(io.BytesIO(content[at:]), allow_pickle=False) as stored:
        return content + b"".join(stored[name].tobytes() for name in stored)


def squeezed(text: str) -> str:
    return re.sub(r"[\s`]+", "", text)
