"""The home page: for each part of the track its map, and a card for each of its problems."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from grader.authors.lesson import builds_on, section
from grader.authors.site import drawing
from grader.authors.site.chapters import Chapter
from grader.course.problem import Problem

UNNAMED = "The track"


def home(
    text: str, problems: Iterable[Problem], contents: Mapping[str, list[str]], chapters: Mapping[str, Chapter] = {}
) -> str:
    """The page as MyST Markdown. `contents` are the captions of the table of contents with their pages, `chapters` the
    pages about a whole part."""
    parts = parts_of(problems)
    before = {problem.number: builds_on(problem) for members in parts.values() for problem in members}
    trees = [
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```"
        for caption, pages in contents.items()
    ]
    told = [
        _part("The map and the problems" if len(parts) == 1 else part, members, before, chapters.get(part))
        for part, members in parts.items()
    ]
    return "\n\n".join(["# The attention track", text.strip(), *told, *trees]) + "\n"


def parts_of(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """The problems by the part of the track that they say they belong to, in the order of their numbers."""
    parts: dict[str, list[Problem]] = {}
    for problem in problems:
        parts.setdefault(problem.part or UNNAMED, []).append(problem)
    return parts


def _part(title: str, members: list[Problem], before: Mapping[int, list[int]], chapter: Chapter | None) -> str:
    cards = "\n\n".join(_card(problem, before[problem.number]) for problem in members)
    return (
        f"## {title}\n\n"
        + (f"{chapter.about}: [{title}]({chapter.page}.md).\n\n" if chapter else "")
        + f"```{{raw}} html\n{drawing.drawn(members, before, title)}\n```\n\n::::{{grid}} 1 2 2 "
        f"2\n:gutter: 3\n\n{cards}\n\n::::"
    )


def _card(problem: Problem, before: list[int]) -> str:
    return (
        f":::{{grid-item-card}} {problem.number} · {problem.title}\n:link: notebooks/{problem.name}\n:link-type: "
        f"doc\n\n{first_sentences(problem)}\n"
        + (f"\n*Builds on {', '.join(str(number) for number in before)}.*\n" if before else "")
        + ":::"
    )


def first_sentences(problem: Problem, most: int = 280) -> str:
    """How the lesson begins: as many whole sentences of its first paragraph as fit."""
    opening = section(problem.lesson, "Why it matters")
    paragraph = " ".join(opening.strip().split("\n\n")[0].split())
    told = ""
    for sentence in re.split(r"(?<=[.!?]) ", paragraph):
        if told and len(told) + len(sentence) > most:
            break
        told += (" " if told else "") + sentence
    return told
