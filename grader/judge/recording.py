"""What a worker answered about a file: a file that has not changed since is judged by it again, and not run again;
`untouched` asks the same of each of its names.

It is kept only of a file that is all that its answers follow from, beside the course and what is installed; and only
when the worker came to its end. It is read as what a worker sends is read: as data, and with as little trust.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import io
import sys
from collections.abc import Callable
from pathlib import Path

from grader.course.problem import Problem
from grader.process import store
from grader.process.child import Ended, Limits
from grader.process.stub import Stub

ALONE = {"jax", "flax", "numpy", "einops", "optax", "jaxtyping"}  # packages that answer alike each time
STANDARD = {"__future__", "math", "functools", "itertools", "operator", "typing", "collections", "dataclasses", "abc"}
# names by which a file reaches what is outside of it, or what is another thing each time
OUTSIDE = {"open", "exec", "eval", "compile", "__import__", "globals", "load", "loadtxt", "fromfile", "memmap"}
OUTSIDE |= {"environ", "getenv", "getattr", "id", "hash", "__file__", "__builtins__", "__loader__", "__spec__"}
BEGINS = "\x1e-1\x1e"  # how a worker marks what is printed while the file is imported
LARGEST = 32 << 20  # bytes; a larger one is not worth its place
FEW = 4  # of each problem, for who undoes a change
UNCHANGED = "The file is as it was when it last ran: that run was judged again. `--again` runs it anew."


class Recording:
    """Stands in the place of a worker that has answered already."""

    limits, alive = Limits(), True

    def __init__(self, frames: list[tuple], prints: str, pieces: dict[str, str]):
        self._frames, self.prints, self.pieces = frames, prints, pieces

    def send(self, frames, last: bool = True) -> None:
        """It knows what it is asked."""

    def frames(self, last: bool = True, waiting=None):
        yield from self._frames
        return Ended("finished")

    def kill(self) -> None:
        """There is nothing to stop."""


def recall(problem: Problem, stub: Stub) -> Recording | None:
    """What a worker answered about just this file."""
    path = _place(problem, stub)
    return read(problem, path) if path and path.exists() else None


def read(problem: Problem, path: Path, wanted: Callable[[dict], bool] = lambda of_names: True) -> Recording | None:
    """What was kept in a place, if it follows from what there is today, and if what was kept of names is `wanted`."""
    from grader.process import wire  # NumPy, which a worker that has to start need not wait for

    with contextlib.suppress(OSError, wire.WireError, ValueError, TypeError, KeyError, AttributeError):
        stream = io.BytesIO(path.read_bytes())
        first, _ = wire.receive(stream)
        if first["of"] == _follows_from(problem) and wanted(first["pieces"]):
            frames = [*iter(lambda: wire.receive(stream), None)]
            return Recording(frames, str(first["prints"]), first["pieces"])
    return None


def kept(problem: Problem) -> list[Path]:
    """Where something is kept, the latest first."""
    folder = store.folder(problem.folder.parents[1], "attempts")
    with contextlib.suppress(OSError):
        return sorted(folder.glob(f"{problem.name}-*"), key=lambda path: -path.stat().st_mtime) if folder else []
    return []


def keep(problem: Problem, stub: Stub, attempt, prints: list[str], pieces: dict[str, str]) -> None:
    """Keeps what came back from workers, with what each of them printed and the `pieces` of names that passed, and of
    the same problem a few that were kept before."""
    from grader.process import wire

    path = _place(problem, stub)
    whole = attempt.ended.how == "finished" and "found" in attempt.messages and not attempt.stops
    if not path or not whole or not alone(stub.source):
        return
    first = {"of": _follows_from(problem), "prints": BEGINS.join(prints), "pieces": pieces}
    frames = [wire.pack(first), wire.pack(attempt.messages)]
    for id, outcome in attempt.outcomes.items():
        message, arrays = outcome.to_wire()
        frames.append(wire.pack({"outcome": id, **message}, arrays))
    if sum(map(len, frames)) <= LARGEST:
        store.write(path, b"".join(frames))
    with contextlib.suppress(OSError):
        for old in kept(problem)[FEW:]:
            old.unlink()


def alone(source: str) -> bool:
    """Whether what a file gives follows from it, the course and what is installed, and from nothing else."""
    try:
        nodes = [*ast.walk(ast.parse(source))]
    except (SyntaxError, ValueError, RecursionError):
        return False
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {(node.module or ".").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return imported <= ALONE | STANDARD and not names & OUTSIDE and not _draws_without_a_key(nodes)


def _draws_without_a_key(nodes: list[ast.AST]) -> bool:
    """Whether NumPy's `random` may be reached: by any other name than `jax.random`."""
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    modules = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    modules |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return any(module.startswith("numpy.random") for module in modules) or any(
        isinstance(node, ast.Attribute) and node.attr == "random" and getattr(node.value, "id", "") != "jax"
        for node in nodes
    )


def _follows_from(problem: Problem) -> list[str]:
    from grader.key.answers import source_of

    return [source_of(problem), sys.version, *map(importlib.metadata.version, ("jax", "flax", "numpy"))]


def _place(problem: Problem, stub: Stub) -> Path | None:
    folder = store.folder(problem.folder.parents[1], "attempts")
    name = store.digest(f"{stub.path}\0{stub.source}".encode())
    return folder / f"{problem.name}-{name}.frames" if folder else None
