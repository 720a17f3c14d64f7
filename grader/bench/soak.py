"""A long class run that is killed again and again: every verdict has to be the right one, none missing, none twice, and
nothing left behind.

A third of the class is hostile: the submissions of `tests/hostile/`, each of which says in its docstring what its
verdict has to be.
"""

from __future__ import annotations

import ast
import contextlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grader.bench.loop import environment
from grader.bench.of_a_class import EXPECTED, TEXTS
from grader.course.problem import CourseError
from grader.course.verdict import Status, Verdict
from grader.report import machine
from grader.report.words import title

KILLS = 10


def soak(root: Path, count: int, console) -> int:
    """Prints what became of the class; returns 0 when all of it is as it has to be, 1 otherwise."""
    hostile = sorted((root / "tests/hostile").glob("*.py"))
    if not hostile:
        raise CourseError("tests/hostile/ is not here: the soak takes its hostile submissions from there")
    with tempfile.TemporaryDirectory() as folder, console.status("grading", spinner="line") as status:
        submissions, results = Path(folder, "submissions"), Path(folder, "results")
        expected = _hand_in(submissions, count, hostile)
        start, before = time.perf_counter(), _processes()
        moments, killed = sorted(random.sample(range(1, count), min(KILLS, count - 1))), 0
        for number, moment in enumerate(moments, start=1):
            status.update(f"run {number}: to be killed after {moment} verdicts")
            run = _start(root, submissions, results)
            while run.poll() is None and _recorded(results) < moment:
                time.sleep(0.2)
            time.sleep(random.random())
            run.kill()
            said = run.communicate()[0]
            if run.returncode != -signal.SIGKILL:  # it came to its end first: the last moments are close to it
                break
            killed += 1
        status.update("the last run")
        run = _start(root, submissions, results)
        said = run.communicate()[0]
        if run.returncode:
            raise CourseError(f"the last run gave {run.returncode}: {said[-2000:]}")
        seconds = time.perf_counter() - start
        faults = _faults(results, expected)
        time.sleep(2)
        left = _processes() - before
    faults += [f"{len(left)} processes are left"] if left else []
    for fault in faults[:20]:
        console.print(fault, style="red", markup=False, soft_wrap=True)
    console.print(
        f"{count} submissions, {sum(1 for text in expected.values() if text[1])} of them hostile, {killed} times "
        f"killed with -9: "
        f"{'every verdict right, none missing, none twice, nothing left' if not faults else f'{len(faults)} faults'}; "
        f"{seconds / 60:.0f} min",
        soft_wrap=True,
    )
    return 1 if faults else 0


def expectations(path: Path) -> list[str]:
    """What the verdict on a hostile submission may say, any of it."""
    return re.search(r"^Verdict: (.+)$", ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), re.MULTILINE)[
        1
    ].split("|")


def told(verdict: Verdict) -> str:
    """A verdict in a line: passed, or the first finding's title and sentence."""
    if verdict.status == Status.PASSED:
        return "passed"
    finding = verdict.trouble or next(entry.first for entry in verdict.entries if entry.first)
    return f"{verdict.status.value}: {title(finding)}: {finding.summary}"


def _hand_in(folder: Path, count: int, hostile: list[Path]) -> dict[str, tuple[list[str], bool]]:
    """Writes the class, each text unlike all others, and gives what each verdict may say and whether it is hostile."""
    expected = {}
    for number in range(count):
        path = hostile[number // 3 % len(hostile)] if number % 3 == 0 else None
        student = f"s{number:05}"
        text = (
            f"{path.read_text(encoding='utf-8')}\n# {number}\n"
            if path
            else TEXTS[number % len(TEXTS)].format(constant=number / (count + 1))
        )
        expected[student] = (expectations(path) if path else [EXPECTED[number % len(TEXTS)]], path is not None)
        (folder / student).mkdir(parents=True)
        (folder / student / "stub.py").write_text(text, encoding="utf-8")
    return expected


def _start(root: Path, submissions: Path, results: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "grader", "class", str(submissions), "--out", str(results), "--problems", "31"]
    return subprocess.Popen(
        command,
        cwd=root,
        env=environment(root),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _recorded(results: Path) -> int:
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{results / 'gradebook.sqlite'}?mode=ro", uri=True, timeout=10)
        ) as book:
            return book.execute("SELECT count(*) FROM verdicts").fetchone()[0]
    except sqlite3.Error:
        return 0


def _faults(results: Path, expected: dict[str, tuple[list[str], bool]]) -> list[str]:
    from grader.classroom.book.gradebook import NAME, Gradebook

    with Gradebook(results / NAME, write=False) as book:
        grades = book.grades()
        twice = len(grades) != _recorded(results)
        faults = ["some verdicts are there twice"] if twice else []
        faults += [f"{student}: no verdict" for student in {*expected} - {grade.student for grade in grades}]
        for grade in grades:
            line = told(machine.restored(grade.data))
            if not any(part in line for part in expected[grade.student][0]):
                faults.append(f"{grade.student}: {line}; expected {' or '.join(expected[grade.student][0])}")
    return faults


def _processes() -> set[int]:
    """Rooms and fork servers that are there."""
    import psutil

    found = set()
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and (
            "bwrap" in words[:1] or "grader.classroom.walls.forkserver" in words
        ):
            found.add(process.pid)
    return found
