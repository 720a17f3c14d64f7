"""Runs the cells of a lesson from top to bottom in a process of their own, and holds what they print against what the lesson shows."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HEADINGS = ("Why it matters", "The formula", "Shapes", "A worked example", "A picture", "What it is not yet", "Pitfalls", "Time and memory",
            "Edge cases", "Further reading")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|\bnan\b|\binf\b", re.IGNORECASE)

# Runs in the other process: cells come in as JSON, and out goes what each printed, or the error and its line within the cell.
RUNNER = """
import contextlib, io, json, sys, traceback, warnings
warnings.simplefilter("error")
space = {"__name__": "__main__"}
told = []
for number, cell in enumerate(json.load(open(sys.argv[1], encoding="utf-8"))):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(cell, f"<cell {number}>", "exec"), space)
        told.append([out.getvalue(), None])
    except BaseException as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == f"<cell {number}>"]
        told.append([out.getvalue(), [lines[-1] if lines else getattr(error, "lineno", 0), f"{type(error).__name__}: {error}"]])
        break
json.dump(told, open(sys.argv[2], "w", encoding="utf-8"))
"""


@dataclass(frozen=True)
class Cell:
    """A code cell of a lesson, the output that the lesson shows below it (or None), and the line on which it starts."""

    source: str
    shown: str | None
    line: int


def cells_of(lesson: Path) -> list[Cell]:
    """The code cells as jupytext sees them. A `text` fence right below a cell is what that cell prints."""
    import jupytext

    text = lesson.read_text(encoding="utf-8")
    found = jupytext.reads(text, fmt="md").cells
    cells = []
    for cell, following in zip(found, [*found[1:], None]):
        if cell.cell_type != "code":
            continue
        shown = re.match(r"```text\n(.*?)```", following.source, re.DOTALL) if following is not None and following.cell_type == "markdown" else None
        at = text.find(cell.source)
        cells.append(Cell(cell.source, shown.group(1) if shown else None, text[:max(at, 0)].count("\n") + 1))
    return cells


def faults_of(lesson: Path) -> list[str]:
    """What is wrong with a lesson: parts that are missing, a cell that fails (with its line), an output that is not what the lesson shows."""
    if not lesson.exists():
        return ["README.md is missing"]
    text = lesson.read_text(encoding="utf-8")
    headings = re.findall(r"^## +(.+?)\s*$", text, re.MULTILINE)
    faults = [f"README.md has no section “{heading}”" for heading in HEADINGS if heading not in headings]
    cells = cells_of(lesson)
    if not cells:
        return [*faults, "README.md has no cell that runs"]
    for cell, (printed, error) in zip(cells, _run([cell.source for cell in cells])):
        if error:
            faults.append(f"README.md line {cell.line + error[0] - 1}: the cell fails: {error[1].splitlines()[0]}")
        elif cell.shown is not None and not same_output(cell.shown, printed):
            faults.append(f"README.md line {cell.line}: the cell prints\n{printed.rstrip()}\nbut the lesson shows\n{cell.shown.rstrip()}")
    return faults


def same_output(shown: str, printed: str) -> bool:
    """Equal words, and numbers equal to within a percent: last digits differ between machines."""
    one, other = NUMBER.findall(shown), NUMBER.findall(printed)
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split() or len(one) != len(other):
        return False
    return all(a.lower() == b.lower() or math.isclose(float(a), float(b), rel_tol=1e-2, abs_tol=1e-6) for a, b in zip(one, other))


def _run(sources: list[str]) -> list:
    with tempfile.TemporaryDirectory() as folder:
        given, told = Path(folder, "cells.json"), Path(folder, "told.json")
        given.write_text(json.dumps(sources), encoding="utf-8")
        done = subprocess.run([sys.executable, "-c", RUNNER, str(given), str(told)], cwd=folder, capture_output=True, text=True, timeout=600)
        if not told.exists():
            return [["", [1, f"the process ended with {done.returncode}: {done.stderr[-300:]}"]]]
        return json.loads(told.read_text(encoding="utf-8"))
