"""What was verified already, by everything that it follows from: the rooms that decide, the problem's folders, and the
versions of Python, JAX, Flax and NumPy.

It lies under `.grader/`, may be deleted at any time, and is committed nowhere: what it does not know is verified.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

from grader.course.problem import CourseError, Problem
from grader.process import store

GRADER = Path(__file__).resolve().parents[1]
# of the grader: what verifying a problem runs
ROOMS = ("course", "process", "program", "run", "key", "judge", "report", "authors")
BESIDE = ("pyproject.toml",)
PACKAGES = ("jax", "jaxlib", "flax", "numpy", "optax")
# of what nothing changed one in so many is verified all the same, another one with each commit
FEW = 8


def recall(problem: Problem) -> dict | None:
    """What was found when just this was verified, where it was and held together."""
    try:
        kept = json.loads(_place(problem).read_text(encoding="utf-8"))
        return kept["found"] if kept["follows from"] == digest(problem) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def note(problem: Problem, found: dict) -> None:
    """Keeps what was found of a problem that holds together."""
    if place := _place(problem):
        store.write(place, json.dumps({"follows from": digest(problem), "found": found}, indent=1).encode())


def digest(problem: Problem) -> str:
    """Names everything that a verification follows from."""
    versions = [platform.python_version(), *(importlib.metadata.version(name) for name in PACKAGES)]
    digest = hashlib.sha256(repr(versions).encode())
    for folder in (*(GRADER / room for room in ROOMS), problem.folder, problem.solutions):
        for path in sorted(folder.rglob("*")) if folder else ():
            if path.is_file() and path.suffix not in (".pyc", ".svg"):
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def changed_since(root: Path, problems: list[Problem], commit: str, most: int | None = None) -> list[Problem]:
    """The problems that could have changed since a commit, and a few of the others; `most` of them where that is given:
    new ones first, then those with a change of their own. Which are left out is another matter at each commit."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        if done.returncode:
            raise CourseError(f"what changed since {commit} cannot be told: {done.stderr.strip()}")
        return done.stdout

    paths = [Path(name) for name in git("diff", "--name-only", "-z", commit, "--").split("\0") if name]
    everywhere = any(
        path.parts[0] == "grader" and path.parts[1:2] and path.parts[1] in ROOMS or str(path) in BESIDE
        for path in paths
    )
    touched = {path.parts[1] for path in paths if path.parts[0] in ("problems", "solutions") and len(path.parts) > 2}
    turn = int(git("rev-list", "--count", "HEAD"))
    found = [
        problem for problem in problems if everywhere or problem.name in touched or (problem.number + turn) % FEW == 0
    ]
    known = {Path(name).name for name in git("ls-tree", "--name-only", commit, "problems/").split()}

    def rank(problem: Problem) -> tuple:
        return problem.name in known, problem.name not in touched, (problem.number + turn) % len(problems)

    return sorted(sorted(found, key=rank)[:most], key=lambda problem: problem.number)


def _place(problem: Problem) -> Path | None:
    folder = store.folder(problem.folder.parents[1], "ledger")
    return folder / f"{problem.name}.json" if folder else None
