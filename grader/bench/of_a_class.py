"""Times a class: how many submissions of problem 31 are graded in a minute, in the sandbox, beside plain pytest and
other commands on the very same files.

Rates are of whole commands, with as many submissions at a time as there are cores. What only the first run of a class
does is timed apart: the answer key, and compiling what most answers need.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.table import Table

from grader.bench.loop import environment, plain_pytest
from grader.course.problem import CourseError
from grader.course.select import UsageError
from grader.process.child import cores_here

# What classes hand in: right in two styles, two common mistakes, and a function that is not written. A constant that
# changes no answer makes each text another program.
TEXTS = (
    "import jax\n\n\ndef sdpa(q, k, v):\n    scores = q @ k.T / q.shape[-1] ** 0.5 + {constant}\n    return "
    "jax.nn.softmax(scores, axis=-1) @ v\n",
    "import jax\nimport jax.numpy as jnp\n\n\ndef sdpa(q, k, v):\n    scores = jnp.einsum('qd,kd->qk', q, k) / "
    "jnp.sqrt(q.shape[-1])\n    return jax.nn.softmax(scores, axis=-1) @ v\n# {constant}\n",
    "import jax\n\n\ndef sdpa(q, k, v):\n    return jax.nn.softmax(q @ k.T, axis=-1) @ v\n# {constant}\n",
    "import jax\n\n\ndef sdpa(q, k, v):\n    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5, axis=0) @ v\n# "
    "{constant}\n",
    "def sdpa(q, k, v):\n    raise NotImplementedError({constant})\n",
)
EXPECTED = ("passed", "passed", "failed", "failed", "not written")
FURTHER = "grader class, each further submission"
FEW = 20
PYTEST_TIMES, OTTER_TIMES, DASK_SHARE = 4, 6, 0.9


def bench_class(root: Path, count: int, peers: Sequence[str], dask: bool, console) -> int:
    """Prints the table; returns 0 when every ratio is within its target, 1 otherwise. `peers` are commands with `{}`
    for a submission's path.

    Raises UsageError for a class that is too small to tell what a further submission costs.
    """
    if count < 2 * FEW:
        raise UsageError(
            f"--class takes {2 * FEW} or more: the rate is told from a class of {FEW} and one of that size"
        )
    cores = cores_here()
    with tempfile.TemporaryDirectory() as folder, console.status("timing", spinner="line") as status:
        course, few, many = Path(folder, "course"), Path(folder, "few"), Path(folder, "many")
        for part in ("grader", "problems", "solutions"):
            shutil.copytree(root / part, course / part, ignore=shutil.ignore_patterns("__pycache__"))
        hand_in(few, FEW)
        hand_in(many, count)
        files = sorted(few.glob("*/stub.py"))
        status.update("the first run: answer key, and what is compiled beforehand")
        hand_in(Path(folder, "first"), 5)
        first = _timed(lambda: grade(course, Path(folder, "first"), Path(folder, "results")))
        rows, took = [], []
        for submissions in (few, many):
            status.update(f"grader class, {len([*submissions.iterdir()])} submissions")
            peak: list[int] = []
            took.append(
                _timed(
                    lambda submissions=submissions, peak=peak: peak.append(
                        grade(course, submissions, Path(folder, f"results-{submissions.name}"))
                    )
                )
            )
            rows.append(
                (
                    f"grader class, {len([*submissions.iterdir()])} submissions",
                    60 * len([*submissions.iterdir()]) / took[-1],
                    f"{peak[0] >> 20} MB",
                )
            )
        rows.append((FURTHER, 60 * (count - len(files)) / max(took[1] - took[0], 1e-9), ""))
        if dask:
            status.update("two Dask workers")
            rows.append(
                (
                    f"grader class, {count} submissions, two Dask workers",
                    60 * count / _with_dask(course, many, Path(folder, "results-dask")),
                    "",
                )
            )
        for name, command in [("plain pytest", shlex.join(plain_pytest(course))), *((peer, peer) for peer in peers)]:
            status.update(name)
            rows.append(
                (name, 60 * len(files) / _timed(lambda command=command: _each(command, files, cores, course)), "")
            )
    return _told(rows, first, cores, console)


def hand_in(folder: Path, count: int) -> None:
    """Writes a class: student `s0007-passed` is expected to pass."""
    for number in range(count):
        place = folder / f"s{number:04}-{EXPECTED[number % len(TEXTS)].replace(' ', '-')}"
        place.mkdir(parents=True)
        (place / "stub.py").write_text(TEXTS[number % len(TEXTS)].format(constant=round(random.uniform(0.1, 0.9), 9)))


def grade(course: Path, submissions: Path, results: Path, *more: str) -> int:
    """Runs the class command, sees that every verdict is the expected one, and gives the peak of its memory in
    bytes."""
    command = [
        sys.executable,
        "-m",
        "grader",
        "class",
        str(submissions),
        "--out",
        str(results),
        "--problems",
        "31",
        "--json",
        *more,
    ]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as printed:
        run = subprocess.Popen(
            command, cwd=course, env=environment(course), stdin=subprocess.DEVNULL, stdout=printed, stderr=said
        )
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0), printed.seek(0)
        if run.returncode:
            raise CourseError(f"the class run gave {run.returncode}:\n{said.read()[-2000:]}")
        students = json.load(printed)["students"]
    wrong = [
        row["student"]
        for row in students
        if row["problems"][0]["status"] != row["student"].split("-", 1)[1].replace("-", " ")
    ]
    if wrong or len(students) != len([*submissions.iterdir()]):
        raise CourseError(f"{len(wrong)} verdicts of {len(students)} are not the expected ones: {', '.join(wrong[:5])}")
    return usage.ru_maxrss << 10


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _each(command: str, files: Sequence[Path], at_a_time: int, course: Path) -> None:
    """Runs a command once for each file. How it ends is its own business: half of the answers are wrong."""

    def run(path: Path) -> None:
        subprocess.run(
            [part.replace("{}", str(path)) for part in shlex.split(command)],
            cwd=course,
            env=environment(course) | dict(SUBMISSION=str(path)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )

    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(run, files))


def _with_dask(course: Path, submissions: Path, results: Path) -> float:
    """Seconds with a scheduler and two workers of one thread on this machine."""
    with _dask(course, results.with_name("dask")) as address:
        return _timed(lambda: grade(course, submissions, results, "--dask", address))


@contextlib.contextmanager
def _dask(course: Path, folder: Path) -> Iterator[str]:
    from distributed import Client

    folder.mkdir()
    known = str(folder / "scheduler.json")
    running = []
    try:
        for number, words in enumerate(
            [
                ("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
                *[("worker", "--nthreads", "1", "--no-dashboard")] * 2,
            ]
        ):
            with Path(folder, f"{number}.log").open("w") as said:
                running.append(
                    subprocess.Popen(
                        [
                            sys.executable,
                            "-m",
                            f"distributed.cli.dask_{words[0]}",
                            *words[1:],
                            "--scheduler-file",
                            known,
                        ],
                        cwd=course,
                        env=environment(course) | dict(TMPDIR=str(folder)),
                        stdin=subprocess.DEVNULL,
                        stdout=said,
                        stderr=said,
                    )
                )
            while running[0].poll() is None and not Path(known).exists():
                time.sleep(0.05)
        with Client(scheduler_file=known, set_as_default=False) as client:
            client.wait_for_workers(2)
            address = client.scheduler.address
        yield address
    finally:
        for process in running[::-1]:
            process.terminate()
            process.wait()


def _told(rows: list[tuple[str, float, str]], first: float, cores: int, console) -> int:
    """Shows the table. What counts is the rate of further submissions: what a run needs before the first one is the
    same for any class."""
    rates = {name: rate for name, rate, _ in rows}
    ours, pytest = rates[FURTHER], rates["plain pytest"]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("problem 31", "a minute", "× pytest", "peak memory", "target"):
        table.add_column(column, justify="left" if column == "problem 31" else "right")
    met = True
    for name, rate, memory in rows:
        good, wanted = True, ""
        if name == FURTHER:
            good, wanted = rate >= PYTEST_TIMES * pytest, f"{PYTEST_TIMES} × pytest"
        elif "Dask" in name:
            local = next(rate for other, rate, _ in rows[1:] if other != name)
            good, wanted = rate >= DASK_SHARE * local, f"{DASK_SHARE} × local"
        elif "otter" in name:
            good, wanted = ours >= OTTER_TIMES * rate, f"1/{OTTER_TIMES} of each further one"
        met &= good
        table.add_row(
            name, f"{rate:.0f}", f"{rate / pytest:.2f}", memory, f"{wanted} {'✓' if good else '✗'}" if wanted else ""
        )
    console.print(table)
    console.print(
        f"whole commands, {cores} cores; the first run of a class took {first:.0f} s more or less, for the key and "
        f"what is compiled beforehand",
        style="dim",
    )
    return 0 if met else 1
