"""Lessons become notebooks, a site and single pages: runs what changed, on all cores, and hands the executed notebooks
on."""

from __future__ import annotations

import concurrent.futures
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from grader.authors import notebooks
from grader.authors.notebooks import LessonFails
from grader.course.problem import CourseError, Problem
from grader.course.select import need
from grader.process import store

if TYPE_CHECKING:
    from nbformat import NotebookNode

SITE_NEEDS = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx_copybutton", "sphinx_design", "pygraphviz", "filelock")
Executed = dict[Problem, "NotebookNode"]


def publish(
    root: Path,
    problems: list[Problem],
    console,
    *,
    into_notebooks: bool = False,
    site: Path | None = None,
    html: Path | None = None,
    solutions: bool = False,
) -> int:
    """Builds what is asked for; returns 0, 2 when a lesson fails (then nothing is written, and each failing lesson is
    told), or 130 when it is stopped."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    need(
        "publish",
        "nbclient",
        "ipykernel",
        "matplotlib",
        *(SITE_NEEDS if site else ()),
        *(["nbconvert"] if html else []),
    )
    _prepare(root, site, html, solutions)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    try:
        with bars as progress:
            return _publish(root, problems, console, progress, into_notebooks, site, html, solutions)
    except KeyboardInterrupt:
        console.print("stopped; what was there before stays as it was")
        return 130


def _prepare(root: Path, site: Path | None, html: Path | None, solutions: bool) -> None:
    """What cannot be written to is told before any lesson runs."""
    if site is not None:
        from grader.authors.site import place
        from grader.authors.site.build import EDITIONS

        place.refuse(root, site, EDITIONS[solutions])
    if html is not None:
        try:
            html.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CourseError(f"{html} cannot be made: {error.strerror}") from error


def _publish(
    root: Path,
    problems: list[Problem],
    console,
    progress,
    into_notebooks: bool,
    site: Path | None,
    html: Path | None,
    solutions: bool,
) -> int:
    steps = progress.add_task("running the lessons", total=len(problems))
    ran: list[int] = []
    executed, failed = _run(root, problems, ran.append, lambda: progress.update(steps, advance=1))
    if failed:
        for problem, fault in failed:
            console.print(f"[bold red]✗[/] {problem.name}: ", end="")
            console.print(fault, markup=False, soft_wrap=True)
        console.print("nothing was written")
        return 2
    console.print(
        f"ran {_listed(ran)}"
        + (f"; {len(problems) - len(ran)} unchanged since they ran" if len(ran) < len(problems) else "")
    )
    if into_notebooks:
        write(root, executed)
        console.print(f"notebooks/ holds {len(executed)} notebooks")
    if site is not None:
        from grader.authors.site.build import build

        steps = progress.add_task("building the site", total=None)
        console.print(
            build(
                root, executed, site, solutions=solutions, told=lambda text: progress.update(steps, description=text)
            ),
            soft_wrap=True,
        )
    if html is not None:
        from grader.authors.single import export

        steps = progress.add_task("writing single files", total=len(executed))
        for problem, notebook in executed.items():
            export(problem, notebook, html, list(executed))
            progress.update(steps, advance=1)
        console.print(f"{html} holds {len(executed)} files that need no other", soft_wrap=True)
    return 0


def _listed(numbers: list[int]) -> str:
    return f"{len(numbers)} lesson{'' if len(numbers) == 1 else 's'}" + (
        f" ({', '.join(map(str, sorted(numbers)))})" if numbers else ""
    )


def _run(
    root: Path, problems: list[Problem], ran: Callable[[int], None], through: Callable[[], None]
) -> tuple[Executed, list[tuple[Problem, str]]]:
    """The executed notebooks, and the lessons that fail."""
    repository = notebooks.repository_of(root)
    executed, failed = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {
            pool.submit(notebooks.executed, problem, repository, lambda number=problem.number: ran(number)): problem
            for problem in problems
        }
        try:
            for done in concurrent.futures.as_completed(running):
                try:
                    executed[running[done]] = done.result()
                except LessonFails as fault:
                    failed.append((running[done], str(fault)))
                through()
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)  # each kernel stops before its next cell
            raise
    return {problem: executed[problem] for problem in problems if problem in executed}, sorted(
        failed, key=lambda pair: pair[0].number
    )


def write(root: Path, executed: Executed) -> None:
    """Puts the notebooks into `notebooks/`, and takes away those of problems that are gone."""
    import nbformat

    folder = root / "notebooks"
    folder.mkdir(exist_ok=True)
    names = {f"{problem.name}.ipynb" for problem in executed}
    for problem, notebook in executed.items():
        if not store.write(folder / f"{problem.name}.ipynb", nbformat.writes(notebook).encode() + b"\n"):
            raise CourseError(f"notebooks/{problem.name}.ipynb cannot be written")
    for path in folder.glob("*.ipynb"):
        if path.name not in names:
            path.unlink()


def stale(root: Path, problems: list[Problem]) -> list[str]:
    """What is not as the lessons and stubs would have it in `notebooks/`. Sources are compared, not outputs."""
    repository, faults = notebooks.repository_of(root), []
    for problem in problems:
        path = root / "notebooks" / f"{problem.name}.ipynb"
        if not path.exists():
            faults.append(f"notebooks/{path.name} is missing")
            continue
        try:
            there = [
                (cell["cell_type"], "".join(cell["source"]))
                for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            ]
        except (OSError, ValueError, KeyError, TypeError):
            faults.append(f"notebooks/{path.name} is no notebook")
            continue
        wanted = notebooks.sources(notebooks.compose(problem, repository))
        if there != wanted:
            differing = next(
                (i for i, pair in enumerate(zip(there, wanted)) if pair[0] != pair[1]), min(len(there), len(wanted))
            )
            faults.append(f"notebooks/{path.name} does not match its lesson, stub or hints, from cell {differing} on")
    names = {f"{problem.name}.ipynb" for problem in problems}
    return faults + [
        f"notebooks/{path.name} belongs to no problem"
        for path in sorted((root / "notebooks").glob("*.ipynb"))
        if path.name not in names
    ]
