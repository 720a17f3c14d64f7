"""The students' course: lessons, stubs, checks, answer keys, notebooks and the grader, without any solution.

A file that a student has changed is never written to again. What was written is listed in `.release.json`, each file
with its digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from grader.authors.on_all_cores import on_all_cores
from grader.authors.publish import stale
from grader.course.calls import calls_for
from grader.course.problem import CourseError, Problem, discover
from grader.key import key as keys
from grader.key.answers import Answers, source_of
from grader.process import store

LISTED = ".release.json"
OF_A_PROBLEM = ("README.md", ".stub.py", "checks.py", "driver.py", "hints.md", "attempt.py", "mended.py")
NOT_FOR_STUDENTS = ("authors", "bench", "classroom", "__pycache__")  # rooms, and what tools leave behind
EXTRAS = ("author", "publish", "class", "test")
IGNORED = ".venv*/\n.grader/\n__pycache__/\n*.egg-info/\n.ipynb_checkpoints/\n.DS_Store\n"

JOB = """      - name: {number} · {title}
        id: problem-{number}
        uses: classroom-resources/autograding-command-grader@v1
        with:
          test-name: {number} · {title}
          command: python -m grader {number}
          timeout: 10
          max-score: 1
"""
WORKFLOW = """# Grades each push, and reports to GitHub Classroom where the repository belongs to one. A problem that is not solved yet shows as failed.
name: grade

on: [push, workflow_dispatch]

permissions:
  contents: read
  checks: write
  actions: read

jobs:
  grade:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.13"
          cache: pip
      - run: python -m pip install -q -e .
{jobs}      - name: report
        uses: classroom-resources/autograding-grading-reporter@v1
        env:
{results}
        with:
          runners: {runners}
"""  # noqa: E501


def release(root: Path, problems: list[Problem], out: Path, console) -> int:
    """Writes the course into `out`, or brings an earlier one up to date; returns 0.

    Raises:
        CourseError: a half or a notebook is missing or out of date, or changes meanwhile, or `out` holds something
            else.
    """
    without = [problem.name for problem in problems if problem.solutions is None]
    if without:
        raise CourseError(f"without solutions/{without[0]}/ there is no answer key to release")
    faults = [fault for fault in stale(root, problems) if "belongs to no problem" not in fault]
    if faults:
        raise CourseError(f"{faults[0]}: run `python -m grader publish --notebooks` first")
    written = _written(out)
    files = dict(_common(root))
    for part in on_all_cores(lambda problem: dict(_of(root, problem)), problems, "computing the answer keys", console):
        files |= part
    now = dict(_common(root)) | {name: content for problem in problems for name, content in _read(root, problem)}
    changed = sorted(name for name, content in now.items() if files.get(name) != content)
    if changed:
        raise CourseError(f"{changed[0]} changed while the answer keys were computed: release the course again")
    numbers = sorted(
        {
            problem.number: problem for problem in [*(discover(out) if (out / "problems").is_dir() else []), *problems]
        }.values(),
        key=lambda p: p.number,
    )
    files |= dict(_about(numbers))
    kept = [name for name, content in files.items() if not _write(out, name, content, written)]
    if not store.write(out / LISTED, json.dumps(written, indent=0, sort_keys=True).encode()):
        raise CourseError(f"{out / LISTED} cannot be written")
    console.print(
        f"{out} is the students' course, with {len(numbers)} problem{'s' if len(numbers) > 1 else ''}", soft_wrap=True
    )
    for name in kept:
        console.print(f"left as the student has it: {name}", markup=False, soft_wrap=True)
    return 0


def _written(out: Path) -> dict[str, str]:
    """What an earlier release wrote."""
    if not out.exists() or out.is_dir() and not any(path for path in out.iterdir() if path.name != ".git"):
        return {}
    try:
        return dict(json.loads((out / LISTED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CourseError(f"{out} holds something that is no release of this course; name an empty folder") from error


def _write(out: Path, name: str, content: bytes, written: dict[str, str]) -> bool:
    """Writes a file, unless it is there and is not what was written before; False where it is left alone."""
    path, digest = out / name, store.digest(content)
    if path.exists():
        there = store.digest(path.read_bytes())
        if there == digest:
            written[name] = digest
            return True
        if there != written.get(name):
            return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(f"{path.parent} cannot be made: {error.strerror}") from error
    if not store.write(path, content):
        raise CourseError(f"{path} cannot be written")
    written[name] = digest
    return True


def _of(root: Path, problem: Problem) -> Iterator[tuple[str, bytes]]:
    """The files of one problem, and its answer key."""
    yield from _read(root, problem)
    yield f"problems/{problem.name}/answers.npz", _key(problem)


def _read(root: Path, problem: Problem) -> Iterator[tuple[str, bytes]]:
    """The files of one problem that are copied."""
    place = f"problems/{problem.name}"
    for name in OF_A_PROBLEM:
        if (problem.folder / name).exists():
            yield f"{place}/{name}", (problem.folder / name).read_bytes()
    yield f"{place}/stub.py", problem.pristine.read_bytes()
    yield f"notebooks/{problem.name}.ipynb", (root / "notebooks" / f"{problem.name}.ipynb").read_bytes()


def _key(problem: Problem) -> bytes:
    with Answers(problem, calls_for(problem.entries)) as answers:
        answers.expected()
        answers.mistakes()
        return keys.packed(keys.AnswerKey(answers.key.answers, answers.key.mistakes, source_of(problem)))


def _common(root: Path) -> Iterator[tuple[str, bytes]]:
    """The grader without its instructor's part, and what stands at the top."""
    for path in sorted((root / "grader").rglob("*")):
        parts = path.relative_to(root / "grader").parts
        if path.is_file() and not {*parts} & {*NOT_FOR_STUDENTS} and not any(part.startswith(".") for part in parts):
            yield path.relative_to(root).as_posix(), path.read_bytes()
    yield "LICENSE", (root / "LICENSE").read_bytes()
    yield ".gitignore", IGNORED.encode()
    yield "pyproject.toml", _settings((root / "pyproject.toml").read_text(encoding="utf-8")).encode()


def _settings(text: str) -> str:
    """pyproject.toml without what only authors need."""
    text = re.sub(rf"^(?:{'|'.join(EXTRAS)}) = \[.*\]\n", "", text, flags=re.MULTILINE)
    return re.sub(r"\n\[tool\.pytest.*?(?=\n\[|\Z)", "", text, flags=re.DOTALL)


def _about(problems: list[Problem]) -> Iterator[tuple[str, bytes]]:
    """What tells of all problems: the README, and the workflow that grades each push."""
    first, last = problems[0], problems[-1]
    text = (Path(__file__).parent / "students/README.md").read_text(encoding="utf-8")
    listed = "\n".join(
        f"- [{problem.number} · {problem.title}](problems/{problem.name}/README.md)" for problem in problems
    )
    sample = any(problem.attempt.exists() and problem.mended.exists() for problem in problems)
    words = dict(
        first=first.number,
        last=last.number,
        folder=first.name,
        problems=listed,
        tried="demo" if sample else first.number,
        what="a wrong attempt with its verdict, the same mended, and where to go next"
        if sample
        else "the verdict on an untouched stub",
    )
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", str(value))
    yield "README.md", text.encode()
    jobs = "".join(JOB.format(number=problem.number, title=problem.title) for problem in problems)
    results = "\n".join(
        f"          PROBLEM-{p.number}_RESULTS: ${{{{ steps.problem-{p.number}.outputs.result }}}}" for p in problems
    )
    yield (
        ".github/workflows/grade.yml",
        WORKFLOW.format(jobs=jobs, results=results, runners=",".join(f"problem-{p.number}" for p in problems)).encode(),
    )
