"""The timeline of a chapter: what its lessons give as further reading, by year, each with the problems to open for it.

A paper is told apart by its arXiv number, or by its title where it has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from grader.authors.lesson import section
from grader.course.problem import Problem
from grader.report.markup import Markup, joined, tag

MARK = "<!-- the timeline -->"
PAPER = re.compile(
    r"(?:^|, and |; (?:and )?)(?P<who>[^\"*\[]+?),? [\"*](?P<title>[^\"*]+?),?[\"*],? "
    r"(?:[^\"*\[]{0,80}?[ ,])??(?P<year>(?:19|20)\d\d)\b(?:, \[arXiv:(?P<arxiv>\d{4}\.\d{4,5})\])?"
)


@dataclass
class Paper:
    """Something to read, and the problems whose lessons say so."""

    who: str
    title: str
    year: int
    arxiv: str = ""
    problems: list[Problem] = field(default_factory=list)


def put_into(text: str, problems: Iterable[Problem]) -> str:
    """The page with the timeline where its mark stands."""
    return text.replace(MARK, f"````{{raw}} html\n{drawn(papers(problems))}\n````") if MARK in text else text


def papers(problems: Iterable[Problem]) -> list[Paper]:
    """What the lessons of these problems name, the oldest first, each once."""
    found: dict[str, Paper] = {}
    for problem in problems:
        for paper in read(section(problem.lesson, "Further reading")):
            known = found.setdefault(paper.arxiv or paper.title.casefold(), paper)
            if problem not in known.problems:
                known.problems.append(problem)
    return sorted(found.values(), key=lambda paper: (paper.year, paper.arxiv or "9", paper.title))


def read(listed: str) -> Iterator[Paper]:
    """The papers of a list: of each who, a title in quotation marks or italics, and a year."""
    for item in re.split(r"^- ", listed, flags=re.MULTILINE)[1:]:
        for match in PAPER.finditer(" ".join(item.split())):
            yield Paper(match["who"], match["title"], int(match["year"]), match["arxiv"] or "")


def drawn(found: Iterable[Paper]) -> Markup:
    """The papers as a list by years, with links to what they say and to the problems."""
    return tag(
        "ol",
        *(
            tag("li", tag("strong", year), tag("ul", *map(_told, together)))
            for year, together in groupby(found, lambda paper: paper.year)
        ),
        class_="timeline",
    )


def _told(paper: Paper) -> Markup:
    title = tag("cite", paper.title)
    link = tag("a", title, href=f"https://arxiv.org/abs/{paper.arxiv}") if paper.arxiv else title
    open_for = (
        tag("a", f"{problem.number} · {problem.title}", href=f"notebooks/{problem.name}.html")
        for problem in paper.problems
    )
    return tag("li", f"{paper.who}: ", link, tag("span", joined(", ", open_for)))
