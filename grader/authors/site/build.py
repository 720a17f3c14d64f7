"""Builds the site: puts executed notebooks and pages into a folder for Sphinx, runs it on all cores, and brings what
came to where it is wanted.

The folder is kept under `.grader/`, so that Sphinx reads again only the pages that changed. The instructors' edition
has a folder of its own: nothing of it can reach the students' site.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from grader.authors.lesson import cells_of
from grader.authors.notebooks import ANSI
from grader.authors.site import place, track
from grader.course.problem import CourseError, Problem
from grader.process import store
from grader.report import formula

if TYPE_CHECKING:
    from nbformat import NotebookNode

HERE = Path(__file__).parent
PLACE = re.compile(r"notebooks/(\w+)\.ipynb:(\d+)")
NOT_FOR_STUDENTS = "Instructors' edition: with all solutions. Not for students."
PAGES = ("how_the_grader_decides", "glossary", "instructors")
EDITIONS = ("students' site", "instructors' edition")


def build(
    root: Path, executed: dict[Problem, NotebookNode], out: Path, *, solutions: bool, told: Callable[[str], None]
) -> str:
    """Writes the site into `out`, and returns a line that says so.

    Raises:
        CourseError: `out` holds something else, or Sphinx finds a fault in a page.
    """
    edition = EDITIONS[solutions]
    place.refuse(root, out, edition)
    work = store.folder(root, "site", "instructors" if solutions else "students")
    if work is None:
        raise CourseError("there is no place to build in: .grader/ cannot be written")
    source, built = work / "source", work / "html"
    wanted = _pages(root, executed, solutions)
    told("building the site: waiting for another build of it")
    with FileLock(work / "lock"):
        _sync(source, wanted)
        told("building the site: the pages")
        _sphinx(root, work, source, built, edition)
        told("building the site: copying")
        _drop_what_is_gone(built, {Path(name).with_suffix("").as_posix() for name in wanted})
        place.replace(built, out, edition)
    return f"{out / 'index.html'} is the site's first page: {len(executed)} problems" + (
        ", with their solutions" if solutions else ""
    )


def _pages(root: Path, executed: dict[Problem, NotebookNode], solutions: bool) -> dict[str, bytes]:
    """Every file that Sphinx is to read, by its path."""
    import nbformat

    from grader.authors.site import chapters, edition, example

    problems = list(executed)
    pages = {
        f"notebooks/{problem.name}.ipynb": nbformat.writes(notebook).encode() for problem, notebook in executed.items()
    }
    for name in PAGES:
        text = (HERE / "pages" / f"{name}.md").read_text(encoding="utf-8")
        pages[f"{name}.md"] = example.put_into(text, problems).encode()
    parts = track.parts_of(problems)
    contents = {part: [f"notebooks/{problem.name}" for problem in members] for part, members in parts.items()}
    about = chapters.chapters(parts)
    for part, chapter in about.items():
        text = (HERE / "pages" / f"{chapter.page}.md").read_text(encoding="utf-8")
        pages[f"{chapter.page}.md"] = chapters.whole(text, chapter).encode()
        contents[part].insert(0, chapter.page)
    contents["The course"] = list(PAGES)
    if solutions:
        written = {f"solutions/{problem.name}": edition.page(problem) for problem in problems if problem.solutions}
        pages |= {f"{name}.md": text.encode() for name, text in written.items()}
        contents["Instructors' edition"] = list(written)
    text = example.put_into((HERE / "pages/home.md").read_text(encoding="utf-8"), problems)
    pages["index.md"] = track.home(text, problems, contents, about).encode()
    return pages


def _sync(folder: Path, wanted: dict[str, bytes]) -> None:
    """Makes a folder hold these files and no others; an unchanged one keeps its date, by which Sphinx tells what is
    new."""
    for path in [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []:
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not store.write(path, content):
                raise CourseError(f"{path} cannot be written")


def _sphinx(root: Path, work: Path, source: Path, built: Path, edition: str) -> None:
    """Runs Sphinx in a process of its own; a warning is a fault of a page. After a run that was cut short, or by other
    code, it begins anew."""
    whole, maker = work / "whole", _maker()
    if not whole.exists() or whole.read_text(encoding="utf-8") != maker:
        for left in (built, work / "doctrees"):
            shutil.rmtree(left, ignore_errors=True)
    whole.unlink(missing_ok=True)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-b",
            "html",
            "-j",
            "auto",
            "-q",
            "-W",
            "--keep-going",
            "-c",
            str(HERE),
            "-d",
            str(work / "doctrees"),
            *(
                [
                    f"-Dhtml_title=The attention track: {edition}",
                    f"-Dhtml_theme_options.announcement={NOT_FOR_STUDENTS}",
                ]
                if edition == EDITIONS[1]
                else []
            ),
            str(source),
            str(built),
        ],
        cwd=root,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        told = ANSI.sub("", done.stderr).strip().replace(str(source) + "/", "")
        raise CourseError("the site has faults:\n" + PLACE.sub(lambda found: _in_lesson(root, source, found), told))
    whole.write_text(maker, encoding="utf-8")


def _maker() -> str:
    """Names the code that makes pages: Sphinx looks for changes in what it reads, not in its extensions."""
    made_by = [path for path in sorted(HERE.rglob("*")) if path.suffix in (".py", ".css", ".js")] + [
        Path(formula.__file__)
    ]
    return store.digest(b"".join(path.read_bytes() for path in made_by))


def _in_lesson(root: Path, source: Path, found: re.Match) -> str:
    """A place in a notebook, as myst-nb counts (10000 lines a cell), as a place in its lesson."""
    index, line = divmod(int(found[2]), 10_000)
    text = json.loads((source / "notebooks" / f"{found[1]}.ipynb").read_text(encoding="utf-8"))["cells"][index - 1][
        "source"
    ]
    cell = next(
        (cell for cell in cells_of(root / "problems" / found[1] / "README.md") if cell.source == "".join(text)), None
    )
    return f"problems/{found[1]}/README.md:{cell.line + line - 2}" if cell else found[0]


def _drop_what_is_gone(built: Path, pages: set[str]) -> None:
    """Sphinx leaves the pages and pictures of earlier builds where they are."""
    kept = {"genindex", "search", *pages}
    for path in built.rglob("*.html"):
        if path.relative_to(built).with_suffix("").as_posix() not in kept:
            path.unlink()
    for path in (built / "_sources").rglob("*"):
        if path.is_file() and path.relative_to(built / "_sources").with_suffix("").as_posix() not in pages:
            path.unlink()
    text = "".join(path.read_text(encoding="utf-8") for path in built.rglob("*.html"))
    used = set(re.findall(r"_images/([^\"')\s]+)", text))
    for path in (built / "_images").glob("*"):
        if path.name not in used:
            path.unlink()
