"""What is told of a failing array, and small pictures of it in text: where it is wrong, and a few of its values."""

from __future__ import annotations

import math

import numpy as np

from grader.course.verdict import Difference, Plane, Told

SHADES = "·░▒▓█"
MOST_ROWS, MOST_COLUMNS = 16, 60
DIGITS, MOST_DIGITS = 3, 10  # after the point
MOST = 20  # rows and columns of a Plane; of a larger array each stands for a block


def told(difference: Difference, shown: bool = True) -> Told:
    """What is told of a difference, whether its arrays are there or not; with its plane where it is to be `shown`."""
    if difference.told:
        return difference.told
    expected, came, wrong = map(np.atleast_1d, (difference.expected, difference.came, difference.wrong))
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    return Told(
        difference.wrong.shape,
        int(wrong.sum()),
        first,
        as_json(expected[first]),
        as_json(came[first]),
        where(difference),
        _plane(difference) if shown else None,
    )


def _plane(difference: Difference) -> Plane:
    expected, came, wrong, error = (
        plane(array, difference)[0]
        for array in (difference.expected, difference.came, difference.wrong, errors(difference))
    )
    rank = np.where(wrong, np.where(np.isfinite(error), error, np.inf), -1.0)
    tops, lefts = (edges(size, MOST) for size in wrong.shape)
    rows, columns = (np.zeros((len(tops) - 1, len(lefts) - 1), int) for _ in range(2))
    for i, j in np.ndindex(rows.shape):
        block = rank[tops[i] : tops[i + 1], lefts[j] : lefts[j + 1]]
        row, column = np.unravel_index(np.argmax(block), block.shape)
        rows[i, j], columns[i, j] = tops[i] + row, lefts[j] + column
    return Plane(
        wrong.shape,
        tuple(map(int, tops[:-1])),
        tuple(map(int, lefts[:-1])),
        rows,
        columns,
        *(array[rows, columns] for array in (expected, came, wrong)),
    )


def as_json(value):
    """A JSON number, a boolean, or one of the strings NaN, inf, -inf, which JSON has no numbers for."""
    if getattr(value, "dtype", None) is not None and value.dtype.kind in "biu":
        return value.item()
    number = float(value)
    return number if math.isfinite(number) else {math.inf: "inf", -math.inf: "-inf"}.get(number, "NaN")


def error_map(difference: Difference) -> list[str]:
    """The error over the output, one character a value (or a block of values): `·` is right, `█` the largest error, `N`
    NaN or inf."""
    wrong, error = plane(difference.wrong, difference)[0], plane(errors(difference), difference)[0]
    special = ~np.isfinite(error)
    largest = error[~special].max(initial=0.0)
    level = np.where(
        wrong, np.ceil(np.where(special, 0, error) / (largest or 1.0) * (len(SHADES) - 1)).clip(1), 0
    ).astype(int)
    level = np.where(wrong & special, len(SHADES), level)
    level = _blocks(level, MOST_ROWS, MOST_COLUMNS)
    return ["".join((SHADES + "N")[value] for value in row) for row in level]


def blocks(difference: Difference) -> list[str]:
    """The rows that each line of the map stands for, where it is more than one."""
    size = plane(difference.wrong, difference)[0].shape[0]
    ends = edges(size, MOST_ROWS)
    return (
        [f"{start}–{end - 1}" if end - start > 1 else str(start) for start, end in zip(ends, ends[1:])]
        if size > MOST_ROWS
        else []
    )


def scale(difference: Difference) -> str:
    """What a character of the map stands for, where it is more than one value."""
    rows, columns = (
        -(-size // most) for size, most in zip(plane(difference.wrong, difference)[0].shape, (MOST_ROWS, MOST_COLUMNS))
    )
    across = f" × {columns} columns" if columns > 1 else ""
    return (
        f"(a character is up to {rows} row{'s' if rows > 1 else ''}{across}, by the worst)"
        if rows > 1 or columns > 1
        else ""
    )


def plane(array: np.ndarray, difference: Difference) -> tuple[np.ndarray, str]:
    """The last two axes at the first wrong place, and how that place is written."""
    array = np.atleast_2d(array)
    if array.ndim == 2:
        return array, ""
    wrong = np.atleast_2d(difference.wrong)
    index = np.unravel_index(int(np.argmax(wrong.reshape(*wrong.shape[:-2], -1).any(-1))), wrong.shape[:-2])
    return array[index], "[" + ", ".join(str(int(i)) for i in index) + ", :, :]"


def where(difference: Difference) -> str:
    """Which rows and columns are wrong, in words."""
    if difference.told:
        return difference.told.where
    wrong, place = plane(difference.wrong, difference)
    rows, columns = np.flatnonzero(wrong.any(1)), np.flatnonzero(wrong.any(0))
    told = f"{_ranges('row', rows, wrong.shape[0])}, {_ranges('column', columns, wrong.shape[1])}"
    return f"in {place} {told}" if place else told


def values(difference: Difference, rows: int = 4, columns: int = 4) -> tuple[list[str], list[str], str]:
    """A window of expected and actual values that holds the first wrong one, and where the window stands."""
    wrong, place = plane(difference.wrong, difference)
    expected, came = plane(difference.expected, difference)[0], plane(difference.came, difference)[0]
    first_row, first_column = (int(i) for i in np.argwhere(wrong)[0])
    top = max(0, min(first_row, wrong.shape[0] - rows))
    left = max(0, min(first_column, wrong.shape[1] - columns))
    window = np.s_[top : top + rows, left : left + columns]
    cut = [f"rows {top}–{min(top + rows, wrong.shape[0]) - 1} of {wrong.shape[0]}"] if wrong.shape[0] > rows else []
    cut += (
        [f"columns {left}–{min(left + columns, wrong.shape[1]) - 1} of {wrong.shape[1]}"]
        if wrong.shape[1] > columns
        else []
    )
    pairs = zip(expected[window][wrong[window]], came[window][wrong[window]])
    digits = max((telling(one, other) for one, other in pairs), default=DIGITS)
    return _grid(expected[window], digits), _grid(came[window], digits), ", ".join([place] * bool(place) + cut)


def errors(difference: Difference) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.abs(difference.expected.astype(np.float64) - difference.came.astype(np.float64))


def edges(size: int, most: int) -> np.ndarray:
    """Where the blocks of an axis begin and end: at most `most` of them, of one value each where that is enough."""
    return np.linspace(0, size, min(size, most) + 1).astype(int)


def _blocks(level: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The array made no larger than rows × columns, each block by its largest value."""
    for axis, most in ((0, rows), (1, columns)):
        size = level.shape[axis]
        if size > most:
            level = np.maximum.reduceat(level, edges(size, most)[:-1], axis=axis)
    return level


def _ranges(noun: str, found: np.ndarray, total: int) -> str:
    if len(found) == total:
        return f"every {noun}" if total > 1 else f"the only {noun}"
    runs = np.split(found, np.flatnonzero(np.diff(found) > 1) + 1)
    told = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs[:4]) + (
        ", …" if len(runs) > 4 else ""
    )
    return f"{noun}{'s' if len(found) > 1 else ''} {told} of {total}"


def _grid(array: np.ndarray, digits: int) -> list[str]:
    cells = [[number(value, digits) for value in row] for row in array]
    width = max((len(cell) for row in cells for cell in row), default=1)
    return [" ".join(cell.rjust(width) for cell in row) for row in cells]


def telling(one, other) -> int:
    """How many digits tell two values apart that are not the same; the fewest that are shown, where nothing does."""
    if one == other or one != one and other != other:
        return DIGITS
    return next(
        (digits for digits in range(DIGITS, MOST_DIGITS) if number(one, digits) != number(other, digits)), MOST_DIGITS
    )


def pair(one, other) -> tuple[str, str]:
    """Two values with as many digits as tell them apart."""
    digits = telling(one, other)
    return number(one, digits), number(other, digits)


def number(value, digits: int = DIGITS) -> str:
    """A value as a few characters."""
    if value.dtype.kind == "b":
        return str(bool(value))
    if value.dtype.kind in "iu":
        return str(int(value))
    plain = float(value)
    if not np.isfinite(plain):
        return {"inf": "inf", "-inf": "-inf"}.get(str(plain), "NaN")
    return f"{plain:.{digits}f}" if plain == 0 or 1e-3 <= abs(plain) < 1e4 else f"{plain:.{digits - 2}e}"
