"""What is wrong with a lesson: parts that are missing, a cell that fails, an output that is not what the lesson shows,
a figure that is not described."""

from __future__ import annotations

import math
import re

from grader.authors.lesson import HEADINGS, Cell, cells_of
from grader.authors.notebooks import LessonFails, executed, repository_of
from grader.course.problem import Problem

# columns: a page of 1280 pixels shows the one, and a phone the other in small letters
CODE, ALIGNED = 96, 76
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|\bnan\b|\binf\b", re.IGNORECASE)


def faults_of(problem: Problem) -> list[str]:
    """The faults of one lesson, each with its line."""
    if not problem.lesson.exists():
        return ["README.md is missing"]
    headings = re.findall(r"^## +(.+?)\s*$", problem.lesson.read_text(encoding="utf-8"), re.MULTILINE)
    faults = [f"README.md has no section “{heading}”" for heading in HEADINGS if heading not in headings]
    faults += _too_wide(problem.lesson.read_text(encoding="utf-8"))
    cells = [cell for cell in cells_of(problem.lesson) if cell.code]
    if not cells:
        return [*faults, "README.md has no cell that runs"]
    if not any(cell.alt for cell in cells):
        faults.append('README.md has no figure: a cell that draws one begins with ```python alt="what it shows"')
    try:
        notebook = executed(problem, repository_of(problem.folder.parents[1]))
    except LessonFails as error:
        return [*faults, str(error)]
    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    return faults + [fault for cell in cells for fault in _faults_of_cell(cell, outputs[cell.source])]


def _too_wide(text: str) -> list[str]:
    """Lines of code, of what is printed and of pictures made of letters that leave the column."""
    faults, within, most = [], "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            within = "" if within else line
            most = CODE if within.startswith("```python") else ALIGNED
        elif within and len(line) > most:
            faults.append(f"README.md line {number}: {len(line)} columns; a page has room for {most}")
    return faults


def _faults_of_cell(cell: Cell, outputs: list) -> list[str]:
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    figures = sum("image/png" in output.get("data", {}) for output in outputs)
    faults = []
    if cell.shown is not None and not same_output(cell.shown, printed):
        faults.append(
            f"README.md line {cell.line}: the cell prints\n{printed.rstrip()}\nbut the lesson "
            f"shows\n{cell.shown.rstrip()}"
        )
    if cell.alt and not cell.caption:
        faults.append(
            f'README.md line {cell.line}: the figure has no caption: ```python caption="what to look at" alt="..."'
        )
    if figures != bool(cell.alt):
        faults.append(
            f"README.md line {cell.line}: the cell draws {figures} figures; "
            + (
                'its alt="..." describes one'
                if cell.alt
                else 'a cell that draws one says what it shows: ```python alt="..."'
            )
        )
    return faults


def same_output(shown: str, printed: str) -> bool:
    """Equal words, and numbers equal to within a percent: last digits differ between machines."""
    one, other = NUMBER.findall(shown), NUMBER.findall(printed)
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split() or len(one) != len(other):
        return False
    return all(
        a.lower() == b.lower() or math.isclose(float(a), float(b), rel_tol=1e-2, abs_tol=1e-6)
        for a, b in zip(one, other)
    )
