"""An exercise of a lesson: a cell with a blank to fill in, which runs as it is and says at once how it stands. Nothing
that goes wrong in it ends the lesson."""

from __future__ import annotations

import re
from collections.abc import Callable

ANSWER = re.compile(
    r"<details><summary>Answer</summary>\n\n```python \.noeval\n(?P<lines>.*?)```\n\n</details>\n", re.DOTALL
)
TITLE = re.compile(r'^```python .*?exercise="([^"]+)"', re.MULTILINE)
BLANK = re.compile(r"^( *).*\bblank\(.*$", re.MULTILINE)
CLOSE = 1e-5


class NotFilledIn(Exception):
    """A blank was reached."""


def blank(what: str):
    """Stands where something is to be filled in, and says what."""
    raise NotFilledIn(what)


def check(attempt: Callable, expected) -> None:
    """Runs an attempt and prints in a sentence whether it gives what is expected."""
    try:
        print(_compared(attempt(), expected))
    except Exception as error:
        print(_failed(error))


def _compared(came, expected) -> str:
    import numpy as np

    came, expected = np.asarray(came), np.asarray(expected)
    if came.shape != expected.shape:
        return f"Not yet: it gives the shape {came.shape}, and {expected.shape} is right."
    wrong = ~np.isclose(came, expected, rtol=CLOSE, atol=CLOSE, equal_nan=True)
    if not wrong.any():
        return "Right."
    at = tuple(map(int, np.argwhere(wrong)[0]))
    where = f" at {list(at)}" if at else ""
    return (
        f"Not yet: {int(wrong.sum())} of {wrong.size} values differ. The first{where} is {came[at]:.6g}, and "
        f"{expected[at]:.6g} is right."
    )


def _failed(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NotFilledIn):
            return f"Not filled in yet. Missing: {cause}."
        cause = cause.__cause__ or cause.__context__
    lines = iter(str(error).strip().splitlines())
    first = next(lines, "")
    while first.endswith(":") and (more := next(lines, "").strip()):  # what a colon announces
        first += f" {more}"
    return f"Not yet: it raises {type(error).__name__}{': ' if first else ''}{first}"


def filled_in(cell: str, answer: str) -> str:
    """An exercise's cell, each line with a blank replaced by a line of its answer."""
    lines = iter(answer.splitlines())
    return BLANK.sub(lambda found: found[1] + next(lines), cell)


def answers_last(text: str) -> str:
    """A lesson for where nothing can be folded: its answers stand at its end."""
    titles = [TITLE.findall(text[: found.start()])[-1] for found in ANSWER.finditer(text)]
    if not titles:
        return text
    answers = "\n".join(
        f"For {title}:\n\n```python\n{found['lines']}```\n" for title, found in zip(titles, ANSWER.finditer(text))
    )
    return (
        f"{ANSWER.sub('The answer stands at the end of the lesson.' + chr(10), text).rstrip()}\n\n## Answers to "
        f"the exercises\n{answers}"
    )
