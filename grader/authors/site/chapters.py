"""Pages about a part of the track as a whole: how its problems fit together, and what they can do or cost then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.authors.site import costs
from grader.course.problem import Problem
from grader.student.showcase import SHOWCASES

MARK = "<!-- the script -->"


@dataclass(frozen=True)
class Chapter:
    """A page of a part, the showcase that it is about, and what the home page says of it."""

    page: str
    showcase: str
    about: str


CHAPTERS = {
    "A language model": Chapter(
        "a_language_model", "language-model", "How they fit together, and what they can do then"
    ),
    "Long sequences": Chapter("long_sequences", "long-sequences", "What each of them costs, side by side"),
}


def chapters(parts: Mapping[str, list[Problem]]) -> dict[str, Chapter]:
    """The chapter of each part that has one, where all the problems are there that it is about."""
    there = {problem.number for members in parts.values() for problem in members}
    return {
        part: chapter
        for part, chapter in CHAPTERS.items()
        if part in parts and {*SHOWCASES[chapter.showcase].numbers} <= there
    }


def whole(text: str, chapter: Chapter) -> str:
    """The page with its picture, and its showcase's script, in the places that are marked."""
    module = SHOWCASES[chapter.showcase].module
    path = Path(__file__).parents[3] / Path(*module.split(".")).with_suffix(".py")
    return costs.put_into(text).replace(MARK, f"```python\n{path.read_text(encoding='utf-8')}```")
