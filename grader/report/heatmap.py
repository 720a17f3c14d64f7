"""Where an array is wrong, as pictures: expected, yours and their difference side by side, each an SVG with colours of
its own for any background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grader.course.verdict import Difference, Plane
from grader.report import picture
from grader.report.markup import Markup, join, tag
from grader.report.words import PROPERTY_AXES, count

WIDE = 240  # pixels; numbers stand in the cells while a row of them is no wider
# dark to light: for colour-blind eyes, and in print
VALUES = ("#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838")
ERRORS = ("#fdd0a2", "#fd8d3c", "#d94801", "#7f2704")  # light to dark
RIGHT, SPECIAL = "#f4f4f4", "#9a9a9a"  # no error; NaN and inf, for which no scale has a place
INK, PAPER = "#000000", "#ffffff"
# what is written in a cell too small for numbers
BRIEF = {"NaN": "N", "inf": "∞", "-inf": "-∞", "·": "·", "✗": "✗"}


def heatmaps(difference: Difference) -> Markup:
    """The pictures of a failing array. A property has no values, only places where it is broken; where the expected
    values are not to be told, there are the places and what came."""
    told = picture.told(difference)
    plane, where = told.plane, told.where
    if difference.leaf == "property":
        where = f"{where} {PROPERTY_AXES}"
    if plane is None:
        return tag("p", f"where: {where}", class_="gv-where")
    if difference.leaf == "property":
        return _figure(
            _map("broken", _svg(plane, _errors(plane), f"broken in {where}", marked=True)), f"where: {where}"
        )
    mine = _map(
        "yours", _svg(plane, _values(plane, plane.came), f"yours: wrong in {where}", marked=True), _scale(plane)
    )
    if plane.expected is None:
        maps = mine, _map("where", _svg(plane, _errors(plane), f"wrong in {where}", marked=True))
    else:
        maps = (
            _map("expected", _svg(plane, _values(plane, plane.expected), f"expected: {_span(plane)}"), _scale(plane)),
            mine,
            _map(
                "difference",
                _svg(plane, _errors(plane), f"difference: wrong in {where}; {_worst(plane)}", marked=True),
                _error_scale(plane),
            ),
        )
    return _figure(join(*maps), f"where: {where}{_first(plane)}{_blocks(plane)}")


def _sized(plane: Plane) -> bool:
    """Whether its errors have a size."""
    return plane.expected is not None and plane.expected.dtype.kind != "b"


def _error(plane: Plane) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.abs(plane.expected.astype(np.float64) - plane.came.astype(np.float64))


def _largest(plane: Plane) -> np.floating | None:
    """The largest error that is a number, where errors have a size."""
    if not _sized(plane):
        return None
    error = _error(plane)
    finite = error[plane.wrong & np.isfinite(error)]
    return finite.max() if finite.size else None


def _ends(plane: Plane) -> tuple:
    """The least and the largest finite value that is shown, in its own type; nothing where all are NaN or inf."""
    values = np.stack([array for array in (plane.expected, plane.came) if array is not None])
    finite = values[np.isfinite(values.astype(np.float64))]
    return (finite.min(), finite.max()) if finite.size else ()


@dataclass(frozen=True)
class Cell:
    fill: str
    label: str  # what is written in it
    title: str  # what it says when it is pointed at


def _values(plane: Plane, array: np.ndarray) -> list[list[Cell]]:
    low, high = map(float, _ends(plane) or (0, 0))

    def cell(i: int, j: int) -> Cell:
        value, told = float(array[i, j]), picture.number(array[i, j])
        return Cell(
            _shade(VALUES, value, low, high) if np.isfinite(value) else SPECIAL, told, f"{_place(plane, i, j)}: {told}"
        )

    return _cells(plane, cell)


def _errors(plane: Plane) -> list[list[Cell]]:
    largest, error = float(_largest(plane) or 0), _error(plane) if _sized(plane) else None

    def cell(i: int, j: int) -> Cell:
        place = _place(plane, i, j)
        if not plane.wrong[i, j]:
            return Cell(RIGHT, "·", f"{place}: right")
        if error is None:
            return Cell(ERRORS[-2], "✗", f"{place}: wrong")
        value, told = float(error[i, j]), picture.number(error[i, j])
        values = "expected {}, yours {}".format(*picture.pair(plane.expected[i, j], plane.came[i, j]))
        return Cell(_shade(ERRORS, value, 0, largest) if np.isfinite(value) else SPECIAL, told, f"{place}: {values}")

    return _cells(plane, cell)


def _cells(plane: Plane, cell) -> list[list[Cell]]:
    return [[cell(i, j) for j in range(plane.rows.shape[1])] for i in range(plane.rows.shape[0])]


def _place(plane: Plane, i: int, j: int) -> str:
    return f"row {plane.rows[i, j]}, column {plane.columns[i, j]}"


# In words


def _span(plane: Plane) -> str:
    return "values from {} to {}".format(*map(picture.number, _ends(plane))) if _ends(plane) else "no finite values"


def _worst(plane: Plane) -> str:
    return f"the largest is {picture.number(_largest(plane))}" if _largest(plane) else "no size can be given"


def _first(plane: Plane) -> str:
    """The first wrong value, where no numbers are written in the cells."""
    if _numbers_fit(plane):
        return ""
    i, j = np.argwhere(plane.wrong)[0]
    came = plane.came[i, j]
    told = (
        f"yours {picture.number(came)}"
        if plane.expected is None
        else "expected {}, yours {}".format(*picture.pair(plane.expected[i, j], came))
    )
    return f". {_place(plane, i, j).capitalize()}: {told}"


def _blocks(plane: Plane) -> str:
    if plane.rows.shape == plane.size:
        return ""
    rows, columns = (-(-size // shown) for size, shown in zip(plane.size, plane.rows.shape))
    block = f"{count(rows, 'row')} × {count(columns, 'column')}"
    return (
        f". A cell is a block of the {plane.size[0]} × {plane.size[1]} values, up to {block} from its number on, and "
        f"shows the one "
        "that is furthest off"
    )


# As pictures


def _figure(maps: Markup, caption: str) -> Markup:
    return tag("div", tag("div", maps, class_="gv-row"), tag("p", caption, class_="gv-where"), class_="gv-maps")


def _map(name: str, *parts: Markup) -> Markup:
    return tag("div", tag("div", name, class_="gv-map-name"), *parts, class_="gv-map")


def _numbers_fit(plane: Plane) -> bool:
    return _number_width(plane) * plane.rows.shape[1] <= WIDE


def _number_width(plane: Plane) -> float:
    arrays = (plane.came,) if plane.expected is None else (plane.expected, plane.came, _error(plane))
    return max(30, 8 + 6 * max(len(picture.number(value)) for array in arrays for value in array.flat))


def _svg(plane: Plane, cells: list[list[Cell]], told: str, marked: bool = False) -> Markup:
    """The cells with the numbers of their rows and columns; where `marked`, wrong rows and columns have a bold number
    and a triangle."""
    numbers, across = _numbers_fit(plane), len(cells[0])
    width, height = (_number_width(plane), 20) if numbers else (min(24, max(12, WIDE // across)),) * 2
    left, top = 16 + 6 * len(str(plane.size[0] - 1)), 24
    parts = [
        _row_label(left, top + (i + 0.5) * height, number, marked and plane.wrong[i].any())
        for i, number in enumerate(plane.tops)
    ]
    step = -(-(6 * len(str(plane.size[1] - 1)) + 4) // int(width))  # numbers must not run into each other
    parts += [
        _column_label(
            left + (j + 0.5) * width, top, number if j % step == 0 else "", marked and plane.wrong[:, j].any()
        )
        for j, number in enumerate(plane.lefts)
    ]
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            x, y, label = left + j * width, top + i * height, cell.label if numbers else BRIEF.get(cell.label, "")
            rect = tag(
                "rect", x=_short(x), y=_short(y), width=_short(width - 1), height=_short(height - 1), fill=cell.fill
            )
            parts.append(
                tag(
                    "g",
                    tag("title", cell.title),
                    rect,
                    _text(label, x + (width - 1) / 2, y + height / 2 + 3, fill=_ink(cell.fill)) if label else "",
                )
            )
    size = _short(left + across * width + 2), _short(top + len(cells) * height + 2)
    return tag(
        "svg", *parts, role="img", aria_label=told, viewBox=f"0 0 {size[0]} {size[1]}", width=size[0], height=size[1]
    )


def _row_label(right: float, middle: float, number: int, wrong: bool) -> Markup:
    return join(
        _text(number, right - 11, middle + 3, fill="currentColor", anchor="end", bold=wrong),
        tag("path", d=f"M{_short(right - 8)} {_short(middle - 4)}l6 4l-6 4z", fill="currentColor") if wrong else "",
    )


def _column_label(middle: float, bottom: float, number, wrong: bool) -> Markup:
    return join(
        _text(number, middle, bottom - 12, fill="currentColor", bold=wrong),
        tag("path", d=f"M{_short(middle - 4)} {_short(bottom - 9)}l8 0l-4 6z", fill="currentColor") if wrong else "",
    )


def _text(label, x: float, y: float, *, fill: str, anchor: str = "middle", bold: bool = False) -> Markup:
    return tag(
        "text", label, x=_short(x), y=_short(y), fill=fill, text_anchor=anchor, font_weight="bold" if bold else None
    )


def _scale(plane: Plane) -> Markup:
    return _bar(VALUES, *map(picture.number, _ends(plane))) if _ends(plane) else Markup()


def _error_scale(plane: Plane) -> Markup:
    return _bar(ERRORS, "0", picture.number(_largest(plane))) if _largest(plane) else Markup()


def _bar(colours: tuple[str, ...], low: str, high: str) -> Markup:
    """A scale: its colours between its least and its largest value."""
    steps = 12
    rects = [tag("rect", x=7 * i, width=7.5, height=8, fill=_shade(colours, i, 0, steps - 1)) for i in range(steps)]
    return tag(
        "div",
        low,
        tag("svg", *rects, width=84, height=8, viewBox="0 0 84 8", aria_hidden="true"),
        high,
        class_="gv-scale",
    )


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _shade(colours: tuple[str, ...], value: float, low: float, high: float) -> str:
    """The colour of a value on a scale; halves, since the difference of two floats may be more than a float can
    hold."""
    part = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
    index, rest = divmod(min(max(part, 0.0), 1.0) * (len(colours) - 1), 1)
    one, other = _rgb(colours[int(index)]), _rgb(colours[min(int(index) + 1, len(colours) - 1)])
    return "#" + "".join(f"{round(a + (b - a) * rest):02x}" for a, b in zip(one, other))


def _ink(fill: str) -> str:
    """Black or white, whichever is easier to read on a colour."""
    return INK if contrast(INK, fill) >= contrast(PAPER, fill) else PAPER


def contrast(one: str, other: str) -> float:
    """How well two colours stand apart, by the formula of WCAG: from 1 to 21."""
    light, dark = sorted(map(_luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in _rgb(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
