"""An autograder for Gradescope: a zip with the grader, the problems and the exams as data, from which its container
grades one submission at a time.

The exams are drawn from a seed that nobody keeps, and hold no source of a solution. What the container does with all of
it is in `on_gradescope.py`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import platform
import re
import secrets
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from grader.classroom.book.rules import OF_AN_AUTOGRADER, Grading, read_grading
from grader.classroom.grading.exam import course_version, exam_for, packed
from grader.course.problem import CourseError, Problem, discover
from grader.course.select import UsageError
from grader.process import store

ABOUT, LATE = "about.json", "late.json"
ENTRANCE = "run_autograder"
SHELL = ("setup.sh", ENTRANCE)
OF_A_PROBLEM = ("README.md", ".stub.py", "checks.py", "driver.py")
BESIDE_THE_COURSE = ("jaxlib", "landlockpy")  # what an autograder needs and the course does not name
PRIVATE, PUBLIC, PROGRAM = 0o600, 0o644, 0o755


def gradescope(root: Path, problems: list[Problem], out: Path, console) -> int:
    """Writes the zip, and returns 0. Weights are those of the file beside it that is called like it, which is written
    where it is missing.

    Raises:
        UsageError: `out` is no name for the zip, or is something else; or the weights make no sense.
        CourseError: a problem has no solutions here.
    """
    _check(out)
    without = [problem.name for problem in problems if problem.solutions is None]
    if without:
        raise CourseError(f"without solutions/{without[0]}/ there is no answer key to grade with")
    weights = out.with_suffix(".toml")
    grading = read_grading(weights, problems, discover(root), OF_AN_AUTOGRADER)
    if grading.groups:
        raise UsageError(f"{weights} has [groups], which Gradescope knows itself: take them away")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file, mode in _files(root, problems, grading, console):
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, file)
    _write(out, content.getvalue())
    console.print(
        f"{out} is an autograder for {len(problems)} problem{'s' if len(problems) > 1 else ''}: upload it at "
        f"Configure Autograder, "
        "as a zip file. It holds the answers: give it to no student",
        soft_wrap=True,
        markup=False,
    )
    console.print(
        f"next: {weights} has the weights and what late work costs; change them and build again. Each build draws "
        f"other inputs",
        soft_wrap=True,
        markup=False,
    )
    return 0


def _check(out: Path) -> None:
    if out.suffix != ".zip" or out.is_dir():
        raise UsageError(f"{out} is no name for the autograder: name a file that ends with .zip")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}: make it, or name another place")
    if out.exists() and not _is_ours(out):
        raise UsageError(f"{out} is something else than an autograder of this course: name another file")


def _is_ours(out: Path) -> bool:
    with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(out) as archive:
        return {*SHELL, ABOUT} <= {*archive.namelist()}
    return False


def _write(out: Path, content: bytes) -> None:
    """Writes the zip so that at no time anybody else may read it."""
    if not store.write(out, content, PRIVATE):
        raise UsageError(f"{out} cannot be written")


def _files(root: Path, problems: list[Problem], grading: Grading, console) -> Iterator[tuple[str, bytes, int]]:
    """What is in the zip: each file's name, its bytes, and who may read it."""
    # which the container does without
    from grader.authors.on_all_cores import on_all_cores

    here = Path(__file__).with_suffix("")
    for name in SHELL:
        yield name, (here / name).read_bytes(), PROGRAM
    yield "requirements.txt", requirements(root).encode(), PUBLIC
    yield ".python-version", ".".join(platform.python_version_tuple()[:2]).encode(), PUBLIC
    yield ABOUT, json.dumps(_about(problems, grading), indent=1).encode(), PUBLIC
    yield LATE, grading.late.packed().encode(), PRIVATE  # it says who has an extension
    for path in sorted((root / "grader").rglob("*")):
        if path.is_file() and _needed(path.relative_to(root / "grader").parts):
            yield path.relative_to(root).as_posix(), path.read_bytes(), PUBLIC
    for problem in problems:
        for name in OF_A_PROBLEM:
            if (problem.folder / name).exists():
                yield f"problems/{problem.name}/{name}", (problem.folder / name).read_bytes(), PUBLIC
    seed = secrets.randbits(128)
    exams = on_all_cores(
        lambda problem: packed(exam_for(problem, seed)), problems, "computing the answer keys", console
    )
    for problem, exam in zip(problems, exams):
        yield f"exams/{problem.number}", exam, PRIVATE


def _needed(parts: tuple[str, ...]) -> bool:
    """Whether a file of the grader is needed there: all but what instructors do with a course, and what tools leave
    behind."""
    left_behind = any(part == "__pycache__" or part.startswith(".") for part in parts)
    return not left_behind and parts[0] not in ("authors", "bench")


def _about(problems: list[Problem], grading: Grading) -> dict:
    """What the container cannot know: the course's version, and how verdicts become points, which there add up to the
    maximum."""
    weights = {problem.number: grading.weights[problem.number] for problem in problems}
    whole = sum(weights.values())
    points = {number: grading.maximum * weight / whole if whole else 0.0 for number, weight in weights.items()}
    return dict(course=course_version(), partial=grading.partial, maximum=grading.maximum, points=points)


def requirements(root: Path) -> str:
    """The packages that the container installs: those of the course, in the versions that the key is computed with."""
    wanted = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return "".join(
        f"{_pinned(name)}\n" for name in sorted({*(re.match(r"[\w.-]+", one)[0] for one in wanted), *BESIDE_THE_COURSE})
    )


def _pinned(name: str) -> str:
    try:
        return f"{name}=={importlib.metadata.version(name).partition('+')[0]}"
    except importlib.metadata.PackageNotFoundError:
        return name
