"""What is wider than a terminal, made to fit: Python stays the same program, and what was printed or drawn stands in
columns below each other."""

from __future__ import annotations

import io
import re
import textwrap
import tokenize
from dataclasses import dataclass

# a line may end before these, and after a comma
IN_FRONT = ("+", "-", "*", "/", "@", "%", "&", "|", "and", "or", "if", "else", "for", "==")
OPENING, CLOSING = (",", "(", "[", "{"), (")", "]", "}")
GUTTER = 2  # columns of blanks that are enough between what stands side by side


@dataclass(frozen=True)
class _Unit:
    """A token of one line, or a whole f-string: where it begins and ends, and how many brackets are open around it."""

    text: str
    start: int
    end: int
    depth: int
    quoted: bool = False


def program(source: str, width: int) -> str:
    """The same program, its lines broken within brackets; a comment at the end of a long line stands above it."""
    for _ in range(len(source)):  # each turn mends the first line that is too long and can be mended
        lines, units = source.splitlines(), _units(source)
        mended = next(
            (
                (row, new)
                for row, line in enumerate(lines)
                if len(line) > width and (new := _mended(line, units.get(row, []), width))
            ),
            None,
        )
        if not mended:
            return source
        row, new = mended
        source = "\n".join([*lines[:row], *new, *lines[row + 1 :]])
    return source


def _units(source: str) -> dict[int, list[_Unit]]:
    """The units of each line. A text that goes over several lines is none of them."""
    found: dict[int, list[_Unit]] = {}
    depth, begun = 0, []
    for token in tokenize.generate_tokens(io.StringIO(source + "\n").readline):
        name, (row, start), (last, end) = tokenize.tok_name[token.type], token.start, token.end
        if name == "FSTRING_START":
            begun.append((row, start))
        elif name == "FSTRING_END":
            row, start = begun.pop()
        if begun or name in ("NEWLINE", "NL", "INDENT", "DEDENT", "ENDMARKER"):
            continue
        depth -= token.string in (")", "]", "}") and name == "OP"
        if row == last:
            text = source.splitlines()[row - 1][start:end]
            found.setdefault(row - 1, []).append(
                _Unit(text, start, end, depth, quoted=name in ("STRING", "FSTRING_END"))
            )
        depth += token.string in ("(", "[", "{") and name == "OP"
    return found


def _mended(line: str, units: list[_Unit], width: int) -> list[str] | None:
    """The line as two, the first no wider than `width` where there is a place for it."""
    indent = len(line) - len(line.lstrip())
    comment = units[-1] if units and units[-1].text.startswith("#") else None
    if comment and len(units) > 1:
        return [" " * indent + comment.text, line[: comment.start].rstrip()]
    if comment:
        return (
            [*textwrap.wrap(comment.text, width, initial_indent=" " * indent, subsequent_indent=" " * indent + "# ")]
            if " " in comment.text[2:]
            else None
        )
    goes_on = units and units[0].depth  # the line belongs to the one above it
    deeper = " " * (indent + (0 if goes_on else 8 if line.rstrip().endswith(":") else 4))
    long = next((unit for unit in units if unit.quoted and unit.depth and unit.start < width < unit.end), None)
    places = [
        (unit.depth, -unit.start)
        for before, unit in zip(units, units[1:])
        if unit.depth
        and len(deeper) < unit.start <= width + 1
        and not (unit is long and unit.start < width // 3)
        and (before.text in OPENING or unit.text in IN_FRONT and before.text not in OPENING)
        and unit.text not in CLOSING
    ]
    if places:
        at = -min(places)[1]
        return [line[:at].rstrip(), deeper + line[at:]]
    new = _broken_text(line, long, width) if long else None
    return [new[0], " " * long.start + new[1]] if new else None


def _broken_text(line: str, unit: _Unit, width: int) -> tuple[str, str] | None:
    """A quoted text as two, which Python puts together again."""
    prefix, quote = re.match(r"(\w*)([\"']+)", unit.text).groups()
    if len(quote) > 1:
        return None
    cut, depth = 0, 0
    for at, letter in enumerate(unit.text[: width - unit.start - 1]):
        depth += (letter == "{") - (letter == "}") if "f" in prefix else 0
        cut = at + 1 if letter in " }" and not depth else cut
    if cut <= len(prefix) + 1:
        return None
    return line[: unit.start + cut] + quote, prefix + quote + line[unit.start + cut :]


def printed(text: str, width: int) -> str:
    """What a program printed, or a picture made of letters. What is too wide moves together, or is cut along a gutter,
    and its right part put below its left."""
    lines = text.strip("\n").splitlines()
    widest = max(map(len, lines), default=0)
    if widest <= width:
        return "\n".join(lines)
    blank = [at for at in range(widest) if not any(line[at : at + 1].strip() for line in lines)]
    spare = [at for at in blank if {*range(at - GUTTER, at)} <= {*blank} or at < GUTTER][-(widest - width) :]
    if len(spare) == widest - width:
        return "\n".join("".join(letter for at, letter in enumerate(line) if at not in spare) for line in lines)
    cut = _gutter(lines, width)
    if cut:
        left, right = [line[:cut].rstrip() for line in lines], textwrap.dedent("\n".join(line[cut:] for line in lines))
        return "\n".join([*left, "", printed(right, width)])
    return "\n".join(
        part
        for line in lines
        for part in (
            textwrap.wrap(line, width, subsequent_indent="    ", replace_whitespace=False)
            if len(line) > width
            else [line]
        )
    )


def _gutter(lines: list[str], width: int) -> int:
    """Where the right part begins: behind the widest gutter, the last of its kind. A column of single blanks is one
    where many lines have it."""
    for blanks in (3, 2, 1)[: 3 if len(lines) > 5 else 2]:
        for cut in range(width, width // 3, -1):
            if all(not line[cut - blanks : cut].strip() for line in lines):
                return cut
    return 0
