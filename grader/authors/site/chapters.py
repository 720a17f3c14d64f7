"""Pages about a part of the track as a whole: how its problems fit together, and what they can do or cost then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.authors.site import costs, timeline
from grader.course.problem import Problem
from grader.student.showcase import SHOWCASES

MARK = "<!-- the script -->"


@dataclass(frozen=True)
class Chapter:
    """A page of a part, what the home page says of it, the problems that it names, and the showcase that it is about,
    if there is one."""

    page: str
    about: str
    numbers: tuple[int, ...]
    showcase: str = ""


def _of(showcase: str, page: str, about: str) -> Chapter:
    return Chapter(page, about, SHOWCASES[showcase].numbers, showcase)


CHAPTERS = {
    "A language model": _of("language-model", "a_language_model", "How they fit together, and what they can do then"),
    "Long sequences": _of("long-sequences", "long_sequences", "What each of them costs, side by side"),
    "Before the transformer": Chapter(
        "before_the_transformer",
        "Every score of the track, and which problem to open for which paper",
        (31, 38, 43, *range(55, 62)),
    ),
}


def chapters(parts: Mapping[str, list[Problem]]) -> dict[str, Chapter]:
    """The chapter of each part that has one, where all the problems are there that it is about."""
    there = {problem.number for members in parts.values() for problem in members}
    return {part: chapter for part, chapter in CHAPTERS.items() if part in parts and {*chapter.numbers} <= there}


def whole(text: str, chapter: Chapter, members: list[Problem]) -> str:
    """The page with its picture, the timeline of its part's problems, and its showcase's script, in the places that are
    marked."""
    text = timeline.put_into(costs.put_into(text), members)
    if MARK not in text:
        return text
    module = SHOWCASES[chapter.showcase].module
    path = Path(__file__).parents[3] / Path(*module.split(".")).with_suffix(".py")
    return text.replace(MARK, f"```python\n{path.read_text(encoding='utf-8')}```")
