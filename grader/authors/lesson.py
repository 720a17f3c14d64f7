"""A lesson as cells: the Markdown of a problem's README.md, cut where it runs and where it is headed."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from grader.course.problem import Problem, discover
from grader.student.exercise import ANSWER

HEADINGS = (
    "Why it matters",
    "The formula",
    "Shapes",
    "A worked example",
    "A picture",
    "What it is not yet",
    "Pitfalls",
    "Time and memory",
    "Edge cases",
    "Further reading",
)
SHOWN = re.compile(r"```text\n(.*?)```\s*", re.DOTALL)
SECTION = re.compile(r"^(?=## )", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A piece of a lesson: prose, or code with the output that the lesson shows below it (or None), and the description
    of its figure and its caption (or none).

    `line` is where it starts in the lesson. An `exercise` has a title and the lines that stand in the place of its
    blanks, which the prose below it has folded.
    """

    source: str
    line: int
    code: bool = False
    shown: str | None = None
    alt: str = ""
    caption: str = ""
    exercise: str = ""
    answer: str = ""


def cells_of(lesson: Path) -> list[Cell]:
    """The cells as jupytext sees them, prose cut at its headings. A `text` fence right below a cell is what that cell
    prints, and no prose."""
    import jupytext

    text, at = lesson.read_text(encoding="utf-8"), 0
    cells: list[Cell] = []
    for found in jupytext.reads(text, fmt="md").cells:
        source = found.source
        at = max(text.find(source, at), at)
        line = text[:at].count("\n") + 1
        if found.cell_type == "code":
            cells.append(
                Cell(
                    source,
                    line,
                    code=True,
                    alt=found.metadata.get("alt", ""),
                    caption=found.metadata.get("caption", ""),
                    exercise=found.metadata.get("exercise", ""),
                )
            )
        else:
            shown = SHOWN.match(source) if cells and cells[-1].code else None
            if shown:
                cells[-1] = dataclasses.replace(cells[-1], shown=shown[1])
                line, source = line + shown[0].count("\n"), source[shown.end() :]
            answer = ANSWER.match(source + "\n") if cells and cells[-1].exercise else None
            if answer:
                cells[-1] = dataclasses.replace(cells[-1], answer=answer["lines"])
                source = source.replace("```python .noeval\n", "```python\n", 1)
            for part in SECTION.split(source):
                if part.strip():
                    cells.append(Cell(part.strip(), line))
                line += part.count("\n")
        at += len(found.source)
    return cells


def section(lesson: Path, heading: str) -> str:
    """What stands below one of the headings, up to its first code; empty where there is no such heading."""
    begins = f"## {heading}\n"
    return next((cell.source for cell in cells_of(lesson) if cell.source.startswith(begins)), "").removeprefix(begins)


def builds_on(problem: Problem) -> list[int]:
    """The earlier problems that a lesson names before it says what comes later."""
    text = problem.lesson.read_text(encoding="utf-8").split("## What it is not yet")[0]
    named = {
        int(number)
        for number in re.findall(r"(?:[Pp]roblems? |\bin |\()(\d+)\b", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    }
    return [
        other.number
        for other in discover(problem.folder.parents[1])
        if other.number in named and other.number < problem.number
    ]
