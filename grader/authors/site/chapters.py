"""Pages about a part of the track as a whole: how its problems fit together, and what they can do then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grader.course.problem import Problem
from grader.student.showcase import SHOWCASES

PAGES = {"A language model": ("a_language_model", "language-model")}
MARK = "<!-- the script -->"


def chapters(parts: Mapping[str, list[Problem]]) -> dict[str, str]:
    """The name of the chapter of each part that has one, where all the problems are there that it is about."""
    return {
        part: name
        for part, (name, showcase) in PAGES.items()
        if {*SHOWCASES[showcase].numbers} <= {problem.number for problem in parts.get(part, ())}
    }


def with_script(text: str, part: str) -> str:
    """A chapter with its showcase's script in the place that is marked."""
    module = SHOWCASES[PAGES[part][1]].module
    path = Path(__file__).parents[3] / Path(*module.split(".")).with_suffix(".py")
    return text.replace(MARK, f"```python\n{path.read_text(encoding='utf-8')}```")
