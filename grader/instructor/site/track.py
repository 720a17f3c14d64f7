"""The home page: the track as a map, in which each problem stands below those that its lesson builds on, and a card for each problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from grader.instructor.lesson import builds_on, cells_of
from grader.problem import Problem

if TYPE_CHECKING:
    from nbformat import NotebookNode

WIDTH, HEIGHT, GAP_X, GAP_Y = 176, 58, 20, 44       # of a box, and between boxes, in pixels at full width
MOST_IN_A_ROW = 4


def home(text: str, executed: Mapping[Problem, NotebookNode], parts: Mapping[str, list[str]]) -> str:
    """The page as MyST Markdown. `parts` are the captions of the table of contents with their pages."""
    cards = "\n\n".join(_card(problem) for problem in executed)
    contents = "\n\n".join(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```" for caption, pages in parts.items())
    return f"# The attention track\n\n{text.strip()}\n\n## The map\n\n{drawn(list(executed))}\n\n## The problems\n\n::::{{grid}} 1 2 2 2\n:gutter: 3\n\n{cards}\n\n::::\n\n{contents}\n"


def _card(problem: Problem) -> str:
    before = ", ".join(map(str, builds_on(problem)))
    return (f":::{{grid-item-card}} {problem.number} · {problem.title}\n:link: notebooks/{problem.name}\n:link-type: doc\n\n{first_sentences(problem)}\n"
            + (f"\n*Builds on {before}.*\n" if before else "") + ":::")


def first_sentences(problem: Problem, most: int = 280) -> str:
    """How the lesson begins: as many whole sentences of its first paragraph as fit."""
    opening = next(cell.source for cell in cells_of(problem.lesson) if cell.source.startswith("## Why it matters"))
    paragraph = " ".join(opening.partition("\n")[2].strip().split("\n\n")[0].split())
    told = ""
    for sentence in re.split(r"(?<=[.!?]) ", paragraph):
        if told and len(told) + len(sentence) > most:
            break
        told += (" " if told else "") + sentence
    return told


def layers(problems: list[Problem]) -> list[list[Problem]]:
    """The problems by depth: each one lies a layer below the lowest of those that it builds on."""
    depth: dict[int, int] = {}
    for problem in problems:
        depth[problem.number] = max((depth[number] + 1 for number in builds_on(problem) if number in depth), default=0)
    return [[p for p in problems if depth[p.number] == level] for level in sorted({*depth.values()})]


def _split(layer: list[Problem]) -> list[list[Problem]]:
    """A layer in rows of about the same length, none too long to be read at the width of a page."""
    count = -(-len(layer) // MOST_IN_A_ROW)
    edges = [round(i * len(layer) / count) for i in range(count + 1)]
    return [layer[start:end] for start, end in zip(edges, edges[1:])]


def drawn(problems: list[Problem]) -> str:
    """The map as inline SVG, whose boxes are links."""
    rows = [row for layer in layers(problems) for row in _split(layer)]
    width = max(len(row) for row in rows) * (WIDTH + GAP_X) - GAP_X
    height = len(rows) * (HEIGHT + GAP_Y) - GAP_Y
    place = {}
    for level, row in enumerate(rows):
        left = (width - len(row) * (WIDTH + GAP_X) + GAP_X) / 2
        for column, problem in enumerate(row):
            place[problem.number] = (left + column * (WIDTH + GAP_X), level * (HEIGHT + GAP_Y))
    lines = [_line(place[number], place[problem.number]) for problem in problems for number in builds_on(problem) if number in place]
    boxes = [_box(problem, *place[problem.number]) for problem in problems]
    told = "; ".join(f"{p.number} builds on {', '.join(map(str, builds_on(p)))}" for p in problems if builds_on(p))
    return (f'<div class="track-map" tabindex="0" role="region" aria-label="The map of the track">\n<svg viewBox="-2 -2 {width + 4:g} {height + 4:g}" width="{width + 4:g}" role="group" '
            f'aria-label="{escape(told)}">{"".join(lines)}{"".join(boxes)}</svg>\n</div>')


def _line(above: tuple[float, float], below: tuple[float, float]) -> str:
    x1, y1, x2, y2 = above[0] + WIDTH / 2, above[1] + HEIGHT, below[0] + WIDTH / 2, below[1]
    bend = (y2 - y1) / 2
    return f'<path d="M{x1:g} {y1:g} C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2 - 5:g}"/><path class="tip" d="M{x2 - 4:g} {y2 - 8:g} L{x2:g} {y2 - 1:g} L{x2 + 4:g} {y2 - 8:g} Z"/>'


def _box(problem: Problem, x: float, y: float) -> str:
    lines = _wrapped(problem.title, 21)
    first = y + HEIGHT / 2 + 5 - 8 * (len(lines) - 1)
    words = "".join(f'<tspan x="{x + 34:g}" y="{first + 16 * i:g}">{escape(line)}</tspan>' for i, line in enumerate(lines))
    return (f'<a href="notebooks/{problem.name}.html"><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
            f'<text class="number" x="{x + 8:g}" y="{y + HEIGHT / 2 + 5:g}">{problem.number}</text><text>{words}</text></a>')


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)[:3]
