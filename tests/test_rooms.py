"""The house: which room may know of which, and that nobody judges beside a student's code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

# From the nouns up: a room knows those before it, and itself.
ROOMS = ("course", "process", "program", "run", "key", "judge", "report", "student", "authors", "classroom", "bench")
WITHIN_THE_CLASSROOM = ("arrivals", "book", "pages", "walls", "grading")
# the near side of the wall: they meet neither JAX nor a student's program
OF_DATA = ("course", "process", "key", "judge", "report")
BEYOND_THE_WALL = ("grader.run", "grader.program", "jax", "jaxlib", "flax", "optax")
ALL = sorted(path.relative_to(ROOT) for part in ("grader", "tests") for path in (ROOT / part).rglob("*.py"))
MODULES = sorted(
    path.relative_to(ROOT) for path in (ROOT / "grader").rglob("*.py") if len(path.relative_to(ROOT).parts) > 2
)


def imported(path: Path) -> Iterator[str]:
    """Each name that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_file_stands_in_a_room():
    """Beside the two faces of the package, `grader/` holds rooms and nothing else."""
    there = {path.name for path in (ROOT / "grader").iterdir() if not path.name.startswith((".", "__pycache__"))}
    assert there == {"__init__.py", "__main__.py", *ROOMS}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: ".".join(path.with_suffix("").parts[1:]))
def test_a_room_knows_only_those_before_it(path):
    """What a module imports stands in its own room or in one before it; the classroom's own rooms keep an order too,
    and their corridor comes after them."""
    room = path.parts[1]
    own = {name.split(".")[1] for name in imported(path) if name.startswith("grader.")}
    assert own <= {*ROOMS[: ROOMS.index(room) + 1]}, f"{path} reaches upwards"
    if room == "classroom" and len(path.parts) > 3:
        within = {name.split(".")[2] for name in imported(path) if name.startswith("grader.classroom.")}
        assert within <= {*WITHIN_THE_CLASSROOM[: WITHIN_THE_CLASSROOM.index(path.parts[2]) + 1]}, (
            f"{path} reaches upwards"
        )


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.parts[1] in OF_DATA],
    ids=lambda path: ".".join(path.with_suffix("").parts[1:]),
)
def test_data_stays_on_its_side_of_the_wall(path):
    """Rooms that hold problems, keys, judgement and reports import neither JAX nor what runs or reads a program."""
    beyond = [
        name
        for name in imported(path)
        if any(name == other or name.startswith(f"{other}.") for other in BEYOND_THE_WALL)
    ]
    assert beyond == []


def test_a_problem_imports_one_page_of_the_grader():
    """The checks and mistakes of every problem use the public face of `grader.course` and nothing behind it."""
    for folder in ("problems", "solutions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            assert {
                name.rpartition(".")[0] for name in imported(path.relative_to(ROOT)) if name.startswith("grader")
            } <= {"grader.course"}, path


def defined(path: Path) -> set[str]:
    """The names that a module may hold: those that anything in it assigns, defines or imports."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # in `__all__`
    return found


def test_everything_that_is_imported_is_there():
    """Also what a container, a cluster or a rare command alone imports."""
    there = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in ALL}
    names = {name: defined(path) for name, path in there.items()}
    for path in ALL:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "grader":
                for alias in node.names:
                    known = f"{node.module}.{alias.name}" in there or alias.name in names.get(node.module, ())
                    assert known, f"{path} imports {alias.name} from {node.module}, where it is not"
