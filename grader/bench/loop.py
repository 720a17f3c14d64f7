"""Times the student's loop on problem 31 beside plain pytest with as many checks, as ratios within one run.

Every round runs each command once, so that a slow minute of the machine falls on all of them. It works on a copy of the
course.
"""

from __future__ import annotations

import ast
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from rich.table import Table

from grader.authors.verify import STAND_IN
from grader.course.problem import CourseError, Problem, mistakes

SOLUTION = """import jax


def sdpa(q, k, v):
    scores = q @ k.T {scale} + {constant}
    return jax.nn.softmax(scores, axis=-1) @ v
"""
LOOP = 2.5  # × importing JAX and Flax: what a verdict may take
RIGHT, WRONG = "/ q.shape[-1] ** 0.5", "/ q.shape[-1]"
TARGETS = {
    "grader, first run, empty caches": 1.0,
    "grader, edited right answer": 0.5,
    "grader, edited wrong answer": 0.5,
    "watch, save to verdict": 0.25,
}


def bench(root: Path, rounds: int, console) -> int:
    """Prints the table of medians and ratios; returns 0 when every ratio is within its target, 1 otherwise."""
    import importlib.util

    if not importlib.util.find_spec("pytest"):
        raise CourseError("bench compares with pytest: pip install -e '.[test]'")
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, console.status("timing", spinner="line") as status:
        for index in range(rounds):
            for name, seconds in _round(root, Path(folder, f"round{index}")):
                times.setdefault(name, []).append(seconds)
                status.update(f"round {index + 1} of {rounds}: {name}")
    pytest_, jax_ = statistics.median(times["plain pytest, empty caches"]), statistics.median(times["import jax"])
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("problem 31", "median s", "× pytest", "× import jax", "target"):
        table.add_column(column, justify="left" if column == "problem 31" else "right")
    met = True
    for name, seconds in times.items():
        median = statistics.median(seconds)
        limit = f"{TARGETS[name]} × pytest" if name in TARGETS else "0.5 × import jax" if "untouched" in name else ""
        good = median <= (
            TARGETS[name] * pytest_ if name in TARGETS else 0.5 * jax_ if "untouched" in name else float("inf")
        )
        met &= good
        table.add_row(
            name,
            f"{median:.2f}",
            f"{median / pytest_:.2f}",
            f"{median / jax_:.2f}",
            f"{limit} {'✓' if good else '✗'}" if limit else "",
        )
    console.print(table)
    console.print(
        f"medians of {rounds} rounds, whole processes, {os.cpu_count()} cores, Python {sys.version.split()[0]}, jax "
        f"{_jax_version()}",
        style="dim",
    )
    return 0 if met else 1


def _round(root: Path, copy: Path):
    """Yields a name and its seconds for each command."""
    for part in ("grader", "problems", "solutions"):
        shutil.copytree(root / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    stub = copy / "problems/31_sdpa/stub.py"
    shutil.copy(stub.with_name(".stub.py"), stub)
    grade = [sys.executable, "-m", "grader", "31"]

    def timed(command, expected, **more):
        return _timed(copy, command, expected, **more)

    yield "import jax", timed([sys.executable, "-c", "import jax"], 0)
    yield "grader, untouched stub", timed(grade, 1)
    stub.write_text(_solution(RIGHT))
    yield "plain pytest, empty caches", timed(plain_pytest(copy), 0, SUBMISSION=str(stub))
    yield "grader, first run, empty caches", timed(grade, 0)
    stub.write_text(_solution(WRONG))
    yield "grader, first wrong answer", timed(grade, 1)
    for name, scale, code in (("right", RIGHT, 0), ("wrong", WRONG, 1)):
        stub.write_text(_solution(scale))
        yield f"grader, edited {name} answer", timed(grade, code)
    yield "grader, unchanged answer", timed(grade, 1)
    yield "watch, save to verdict", _watched(copy, stub)


def each(root: Path, problems: list[Problem], rounds: int, console) -> int:
    """Prints how long a verdict on each problem takes with warm caches, on a right answer and a wrong one that are new,
    and on a right answer of which one name was edited, the dearest; as a ratio to importing JAX and Flax in the same
    rounds. Returns 0 when the edit is nowhere above its target, 1 otherwise. Each line comes as soon as it is known."""
    heads = "".join(f"{name:>9}{'× import':>10}" for name in ("right s", "wrong s", "edit s"))
    console.print(f"{'problem':<28}{heads}   target {LOOP}", style="dim", soft_wrap=True)
    met = True
    with tempfile.TemporaryDirectory() as folder, console.status("timing", spinner="line") as status:
        copy = Path(folder, "course")
        for part in ("grader", "problems", "solutions"):
            shutil.copytree(root / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        for problem in problems:
            status.update(f"{problem.number} · {problem.title}")
            source = (problem.solutions / "reference.py").read_text(encoding="utf-8")
            right, wrong, imports, edits = [], [], [], {name: [] for name in problem.names}

            def verdict(text: str, code: int, problem=problem) -> float:
                (copy / "problems" / problem.name / "stub.py").write_text(text, encoding="utf-8")
                return _timed(copy, [sys.executable, "-m", "grader", str(problem.number)], code)

            for number in range(rounds + 1):
                stand_in = STAND_IN.format(folder=str(copy), number=problem.number, mistake=_first_mistake(problem))
                wrong.append(verdict(f"{stand_in}# {number}\n", 1))
                right.append(verdict(_edited(source, problem.names, number), 0))
                for name, took in edits.items():
                    took.append(verdict(_edited(source, problem.names, number, name), 0))
                imports.append(_timed(copy, [sys.executable, "-c", "import jax, flax.nnx"], 0))
            # the first round fills the caches
            import_, *medians = (statistics.median(took[1:]) for took in (imports, right, wrong))
            medians.append(max(statistics.median(took[1:]) for took in edits.values()))
            good = medians[-1] <= LOOP * import_
            met &= good
            numbers = "".join(f"{seconds:>9.2f}{seconds / import_:>10.1f}" for seconds in medians)
            console.print(f"{problem.name:<28}{numbers}   {'✓' if good else '✗'}", highlight=False, soft_wrap=True)
    return 0 if met else 1


def _edited(source: str, names: Collection[str], number: int, name: str = "") -> str:
    """An answer in which each of the names has a line of its own that was never graded before, and one `name` another
    one again."""
    tree = ast.parse(source)
    for node in tree.body:
        if getattr(node, "name", None) in names:
            node.body[:0] = ast.parse(f"unused = '{number} {name if node.name == name else ''}'").body
    return ast.unparse(tree)


def _first_mistake(problem: Problem) -> str:
    return mistakes(problem.solutions / "mistakes.py")[0].id


def _timed(copy: Path, command: list[str], expected: int, **more) -> float:
    """Seconds that a command takes in a copy of the course. Raises CourseError when it ends in another way than
    expected."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=copy, env=environment(copy) | more, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != expected:
        raise CourseError(
            f"{' '.join(command)} gave {done.returncode}, not {expected}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return time.perf_counter() - start


def plain_pytest(course: Path) -> list[str]:
    """The command that tests a submission the plain way."""
    return [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(course),
        "grader/bench/plain_pytest.py",
    ]


def _watched(copy: Path, stub: Path) -> float:
    """Seconds from a save to the verdict's line, with the worker warm."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "grader", "watch", "31"],
        cwd=copy,
        env=environment(copy),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _until(process, "watching")
        time.sleep(3)  # the worker imports JAX while the student thinks
        start = time.perf_counter()
        stub.write_text(_solution(RIGHT))
        _until(process, "passed")
        return time.perf_counter() - start
    finally:
        process.kill()
        process.communicate()


def _until(process, word: str) -> None:
    for line in process.stdout:
        if word in line:
            return
    raise CourseError(f"watch ended before it said {word!r}")


def _solution(scale: str) -> str:
    """A text that was never graded before: a constant added to every score changes the program and not the answer."""
    return SOLUTION.format(scale=scale, constant=round(random.uniform(0.1, 0.9), 6))


def environment(copy: Path) -> dict:
    """A student's: what was imported once is compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | dict(PYTHONPATH=str(copy), COLUMNS="80")


def _jax_version() -> str:
    import importlib.metadata

    return importlib.metadata.version("jax")
