"""What is drawn until it tells: a case that hardly ever gets what it asks for is told so, and does not hang."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from grader.course.problem import CourseError

MOST = 10_000
Drawn = TypeVar("Drawn")


def drawn_until(holds: Callable[[Drawn], bool], draw: Callable[[], Drawn]) -> Drawn:
    """The first of what `draw()` gives for which `holds` is true. Raises CourseError when none of MOST is."""
    for _ in range(MOST):
        drawn = draw()
        if holds(drawn):
            return drawn
    raise CourseError(
        f"of {MOST:,} inputs that a case drew none is as `{holds.__name__}` asks: let it ask for less, or draw "
        f"more apart"
    )
