"""The map of some problems as inline SVG: each box is a link and stands below those that its problem builds on.
Graphviz places the boxes and leads the arrows around them.

It is drawn twice, for a wide page and for a phone; `track.css` shows the one that fits. What a problem builds on
elsewhere is told in its box.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from grader.course.problem import Problem

INCH = 72  # Graphviz counts in points and inches; a point is drawn as a pixel
STRAIGHT = 10  # what columns weigh against short arrows


@dataclass(frozen=True)
class Form:
    """How large things are, in pixels: `most` boxes of a width stand in a row; a line of a title has so many letters
    and takes so much height. An arrow keeps a margin to boxes that it does not belong to; beyond it boxes have a gap,
    within a row and between rows."""

    name: str
    most: int
    width: int
    letters: int
    line: int
    margin: int
    gap: tuple[int, int]


FORMS = Form("wide", 3, 178, 20, 16, 6, (6, 22)), Form("narrow", 2, 118, 15, 14, 4, (4, 18))


def drawn(problems: Sequence[Problem], before: Mapping[int, list[int]], label: str) -> str:
    """The map of some problems; `before` says what each one builds on."""
    told = "; ".join(
        f"{problem.number} builds on {', '.join(map(str, before[problem.number]))}"
        for problem in problems
        if before[problem.number]
    )
    return "\n".join(
        f'<div class="track-map {form.name}" role="group" aria-label="{escape(f"{label}: {told}" if told else label)}">'
        f"{_svg(problems, before, form)}</div>"
        for form in FORMS
    )


def rows(numbers: Sequence[int], before: Mapping[int, list[int]], most: int) -> list[list[int]]:
    """The numbers in rows of at most so many, each below all that it builds on, as high up as there is room."""
    made: list[list[int]] = []
    level: dict[int, int] = {}
    for number in sorted(numbers):
        row = max((level[other] + 1 for other in before[number] if other in level), default=0)
        while row < len(made) and len(made[row]) == most:
            row += 1
        if row == len(made):
            made.append([])
        made[row].append(number)
        level[number] = row
    return made


def _svg(problems: Sequence[Problem], before: Mapping[int, list[int]], form: Form) -> str:
    known = {problem.number: problem for problem in problems}
    lines = {
        number: _told(problem, [other for other in before[number] if other not in known], form)
        for number, problem in known.items()
    }
    tall = 14 + form.line * (max(map(len, lines.values())) + (form.name == "narrow"))
    graph = _placed([*known], before, form, tall)
    *_, width, height = map(float, graph.graph_attr["bb"].split(","))
    centres = {number: _centre(graph.get_node(number), height) for number in known}
    arrows = "".join(
        _arrow(edge.attr["pos"], height, *(_Frame(*centres[int(end)], form.width, tall) for end in edge))
        for edge in graph.edges()
        if edge.attr["style"] != "invis"
    )
    boxes = "".join(_box(problem, *centres[number], tall, lines[number], form) for number, problem in known.items())
    return f'<svg viewBox="-2 -2 {width + 4:g} {height + 4:g}" width="{width + 4:g}">{arrows}{boxes}</svg>'


def _told(problem: Problem, elsewhere: list[int], form: Form) -> list[str]:
    return textwrap.wrap(problem.title, form.letters) + (
        [f"after {', '.join(map(str, elsewhere))}"] if elsewhere else []
    )


def _placed(numbers: list[int], before: Mapping[int, list[int]], form: Form, tall: float):
    """The graph with its places and ways. What stands in a row is ours, so that no row is wider than the page; the rest
    is Graphviz's, which leads arrows past boxes and not at a distance: it is told boxes with their margins. An arrow
    that others make up is left out."""
    import pygraphviz

    width, height = form.width + 2 * form.margin, tall + 2 * form.margin
    graph = pygraphviz.AGraph(directed=True, nodesep=form.gap[0] / INCH, ranksep=form.gap[1] / INCH)
    graph.node_attr.update(shape="box", fixedsize=True, label="", width=width / INCH, height=height / INCH)
    graph.edge_attr.update(arrowsize=0.6)
    graph.add_nodes_from(numbers)
    graph.add_edges_from((other, number) for number in numbers for other in before[number] if other in numbers)
    graph = graph.tred(copy=True)
    levels = rows(numbers, before, form.most)
    for level in levels:
        graph.add_subgraph(level, rank="same")
    for upper, lower in zip(levels, levels[1:]):
        for column, number in enumerate(lower):  # keeps the rows in order, and the boxes in columns
            above = upper[min(column, len(upper) - 1)]
            if not graph.has_edge(above, number):
                graph.add_edge(above, number, style="invis")
            graph.get_edge(above, number).attr["weight"] = STRAIGHT
    graph.layout("dot")
    return graph


def _centre(node, height: float) -> tuple[float, float]:
    x, y = map(float, node.attr["pos"].split(","))
    return x, height - y  # Graphviz counts from below


@dataclass(frozen=True)
class _Frame:
    """A box by its centre and size."""

    x: float
    y: float
    width: float
    height: float

    def off(self, x: float, y: float) -> tuple[float, float]:
        """The way from a point outside to the nearest one on the box."""
        return (
            min(max(x, self.x - self.width / 2), self.x + self.width / 2) - x,
            min(max(y, self.y - self.height / 2), self.y + self.height / 2) - y,
        )


def _arrow(way: str, height: float, start: _Frame, end: _Frame) -> str:
    """A spline as Graphviz writes it, `e,TIP START C1 C2 P C1 C2 P ...`, led through the margins to the boxes."""
    (tip_x, tip_y), *points = [
        (float(x), height - float(y)) for x, y in (pair.split(",") for pair in way.removeprefix("e,").split())
    ]
    leaves, arrives = start.off(*points[0]), end.off(tip_x, tip_y)
    points = [*(_moved(at, leaves) for at in points[:2]), *points[2:-2], *(_moved(at, arrives) for at in points[-2:])]
    tip_x, tip_y = _moved((tip_x, tip_y), arrives)
    (x, y), (end_x, end_y) = points[0], points[-1]
    side_x, side_y = (tip_y - end_y) / 2, (end_x - tip_x) / 2
    curve = " ".join(f"{px:g},{py:g}" for px, py in points[1:])
    head = f"M{tip_x:g},{tip_y:g} L{end_x + side_x:g},{end_y + side_y:g} L{end_x - side_x:g},{end_y - side_y:g} Z"
    return f'<path class="way" d="M{x:g},{y:g} C{curve}"/><path class="tip" d="{head}"/>'


def _moved(point: tuple[float, float], way: tuple[float, float]) -> tuple[float, float]:
    return point[0] + way[0], point[1] + way[1]


def _box(problem: Problem, x: float, y: float, tall: float, lines: list[str], form: Form) -> str:
    """The number stands beside the title, or above it where there is no room."""
    left, beside = x - form.width / 2, form.name == "wide"
    top = y + 4.5 - form.line * (len(lines) - beside) / 2
    at, anchor = (left + 34, "start") if beside else (x, "middle")
    number = (
        f'<text class="number" x="{left + 8 if beside else x:g}" y="{y + 5 if beside else top:g}" '
        f'text-anchor="{anchor}">{problem.number}</text>'
    )
    words = "".join(
        f'<text x="{at:g}" y="{top + form.line * (index + (not beside)):g}" '
        f'text-anchor="{anchor}">{escape(line)}</text>'
        for index, line in enumerate(lines)
    )
    return (
        f'<a href="notebooks/{problem.name}.html" aria-label="{problem.number} · {escape(problem.title)}">'
        f'<rect x="{left:g}" y="{y - tall / 2:g}" width="{form.width}" height="{tall:g}" rx="6"/>{number}{words}</a>'
    )
