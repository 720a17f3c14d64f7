"""The student's notebook of a problem: the lesson's cells, the stub in a cell that grades it, the hints; and how it is
executed from a clean kernel.

An executed notebook is kept under `.grader/`, named after its sources and the packages that ran it, so that an
unchanged lesson is not run again.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import platform
import re
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from grader.authors.lesson import cells_of
from grader.course.problem import CourseError, Problem
from grader.process import child, store

if TYPE_CHECKING:
    from nbformat import NotebookNode

RUN_WITH = ("jax", "flax", "numpy", "matplotlib", "ipykernel")
LONGEST_CELL = 600  # seconds
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
NOT_RUN = "skip-execution"  # as nbclient, jupyter-cache and myst-nb spell it
ANSI = re.compile(r"\x1b\[[0-9;]*m")

SETUP = """# @title Loads the grader; in Colab it first gets the course
import os, subprocess, sys

if "google.colab" in sys.modules:
    if not os.path.isdir("/content/course"):
        subprocess.run(["git", "clone", "-q", "--depth", "1", "{repository}", "/content/course"], check=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-e", "/content/course"], check=True)
    os.chdir("/content/course")
%load_ext grader"""
ON_THE_SITE = "(On the site first open the notebook, with the buttons at the top of the page.)"
YOUR_TURN = f"""## Your turn
Fill in the cell below and run it. {ON_THE_SITE} It is written to `problems/{{name}}/stub.py`, graded in a process of its own, and the verdict appears under it. What stood in the
file before is kept. Nothing of the cell runs in this notebook: to try a piece of it here, copy it into a cell without the first line."""  # noqa: E501
AGAIN = "%grade {number}        # the same verdict on the file as it is, for those who work on it in an editor"

# Runs in the kernel before the lesson, and is not part of it.
PRELUDE = """import warnings
warnings.filterwarnings("error", module="__main__")
%config InlineBackend.figure_formats = ["retina"]
del warnings"""


class LessonFails(CourseError):
    """A cell of a lesson fails when it runs; the message says which, and on which line of the lesson."""


def compose(problem: Problem, repository: str) -> NotebookNode:
    """The notebook as it stands before it runs. `repository` is where Colab gets the course from."""
    from nbformat import v4

    if not problem.lesson.exists():
        raise LessonFails("README.md is missing")
    title, *lesson = cells_of(problem.lesson) or [None]
    if title is None:
        raise LessonFails("README.md is empty")
    made = [
        v4.new_markdown_cell(title.source),
        v4.new_code_cell(SETUP.format(repository=repository), metadata={"tags": ["remove-cell"], "cellView": "form"}),
    ]
    for cell in lesson:
        if not cell.code:
            made.append(v4.new_markdown_cell(cell.source))
        else:
            described = (
                {
                    "alt": cell.alt,
                    "caption": cell.caption,
                    "mystnb": {"image": {"alt": cell.alt}, "figure": {"caption": cell.caption}},
                }
                if cell.alt
                else {}
            )
            made.append(v4.new_code_cell(cell.source, metadata=described))
    turn = [
        v4.new_markdown_cell(YOUR_TURN.format(name=problem.name)),
        v4.new_code_cell(
            f"%%grade {problem.number}\n{problem.pristine.read_text(encoding='utf-8').rstrip()}",
            metadata={"tags": [NOT_RUN]},
        ),
        v4.new_code_cell(AGAIN.format(number=problem.number), metadata={"tags": [NOT_RUN, "remove-cell"]}),
        v4.new_markdown_cell(
            "\n\n".join(["## Hints", *(_hint(number, text) for number, text in enumerate(problem.hints, start=1))])
        ),
    ]
    reading = next((i for i, cell in enumerate(made) if cell.source.startswith("## Further reading")), len(made))
    made[reading:reading] = turn
    for index, cell in enumerate(made):
        cell.id = f"cell-{index}"
    return v4.new_notebook(cells=made, metadata=METADATA)


def _hint(number: int, text: str) -> str:
    return f"<details><summary>Hint {number}</summary>\n\n{text}\n\n</details>"


def sources(notebook: NotebookNode) -> list[tuple[str, str]]:
    """What a notebook says, without what its cells gave."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def execute(problem: Problem, notebook: NotebookNode) -> NotebookNode:
    """Runs the cells in a clean kernel on the CPU, with warnings as errors.

    Raises:
        LessonFails: a cell fails, or takes longer than LONGEST_CELL.
    """
    asyncio.run(_execute(problem, notebook))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}) and cell.metadata.get("alt"):
                output.metadata.setdefault("image/png", {})["alt"] = cell.metadata["alt"]
    notebook.metadata = METADATA
    return notebook


async def _execute(problem: Problem, notebook: NotebookNode) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbformat import v4

    lines = {cell.source: cell.line for cell in cells_of(problem.lesson)}
    client = NotebookClient(
        notebook,
        timeout=LONGEST_CELL,
        kernel_name="python3",
        skip_cells_with_tag=NOT_RUN,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=CRITICAL"],
    )
    with tempfile.TemporaryDirectory(prefix="lesson-") as folder:
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": str(problem.folder.parents[1]),
            "IPYTHONDIR": folder,
        }
        async with client.async_setup_kernel(env=environment, cwd=folder):
            title = notebook.cells[0]
            await client.async_execute_cell(v4.new_code_cell(PRELUDE), 0, store_history=False)
            notebook.cells[0] = title  # the client puts what it runs into the notebook
            for index, cell in enumerate(notebook.cells):
                if child.interrupted.is_set():
                    raise KeyboardInterrupt
                place = f"README.md line {lines[cell.source]}" if cell.source in lines else cell.id
                try:
                    await client.async_execute_cell(cell, index)
                except CellExecutionError as error:
                    raise LessonFails(_told(cell, lines.get(cell.source), error)) from None
                except CellTimeoutError:
                    raise LessonFails(f"{place}: the cell is not through after {LONGEST_CELL} seconds") from None
                except DeadKernelError:
                    raise LessonFails(f"{place}: the process dies in this cell") from None


def _told(cell: NotebookNode, start: int | None, error) -> str:
    """The line of the lesson, the cell and its own line, and what failed there."""
    within = re.findall(rf"Cell In\[{cell.execution_count or '.*?'}\], line (\d+)", ANSI.sub("", error.traceback))
    line = int(within[-1]) if within else 1
    text = cell.source.splitlines()[line - 1].strip()
    place = f"README.md line {start + line - 1} ({cell.id}, line {line})" if start else f"{cell.id}, line {line}"
    return f"{place}: `{text}` fails: {error.ename}: {(error.evalue or '').partition(chr(10))[0]}".rstrip(": ")


def executed(problem: Problem, repository: str, ran: Callable[[], None] = lambda: None) -> NotebookNode:
    """The notebook with its outputs: kept from an earlier run of the same sources, or run now (then `ran` is
    called)."""
    import nbformat

    notebook = compose(problem, repository)
    kept = place_of(problem, notebook)
    if kept and kept.exists():
        return nbformat.read(kept, as_version=4)
    notebook = execute(problem, notebook)
    ran()
    if kept:
        for earlier in kept.parent.glob(f"{problem.number}-*.ipynb"):
            earlier.unlink(missing_ok=True)
        store.write(kept, nbformat.writes(notebook).encode())
    return notebook


def place_of(problem: Problem, composed: NotebookNode) -> Path | None:
    """Where a notebook is kept once it has been executed, if anywhere."""
    import nbformat

    versions = [f"{name} {importlib.metadata.version(name)}" for name in RUN_WITH]
    text = json.dumps([nbformat.writes(composed), PRELUDE, platform.python_version(), versions])
    folder = store.folder(problem.folder.parents[1], "notebooks")
    return folder / f"{problem.number}-{store.digest(text.encode())}.ipynb" if folder else None


def repository_of(root: Path) -> str:
    """Where the course is published: `[project.urls] Repository` in pyproject.toml."""
    try:
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"][
            "Repository"
        ].removesuffix("/")
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise CourseError(
            "pyproject.toml names no repository: set Repository under [project.urls] to the address of your copy of "
            "the course"
        ) from error
