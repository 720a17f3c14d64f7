"""Runs one case in the student's own terminal, where `print` and `breakpoint()` work, without reference and verdict.

The case is written out as a script that needs only JAX and the student's file, and that script is what runs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from grader.course.cases import CLAIM_KINDS, TRANSFORMS
from grader.course.problem import CourseError, Problem
from grader.course.verdict import Status
from grader.process import store
from grader.process.stub import open_stub


def debug(problem: Problem, case: str | None, file: Path | None, console) -> int:
    """Runs the case named, or the first failing one; returns 1 when the student's code raises."""
    stub = open_stub(problem, file)
    if stub.trouble and stub.trouble.status != Status.NOT_WRITTEN:
        console.print(f"nothing can be run yet: {stub.trouble.summary}", markup=False)
        return 1
    from grader.course.calls import calls_for
    from grader.student.script import snippet

    calls = calls_for(problem.entries)
    call = _named(calls, case) if case else _first_failing(problem, file, calls)
    if call is None:
        cases = ", ".join(dict.fromkeys(f"“{c.check.case}”" for c in calls))
        if case:
            console.print(f"there is no case “{case}” in problem {problem.number}; there are {cases}", markup=False)
            return 2
        console.print(f"nothing fails in {problem.number}; name a case to run it all the same: {cases}", markup=False)
        return 0
    folder = store.folder(problem.folder.parents[1], "debug")
    if folder is None:
        raise CourseError("there is nowhere to write the script that would run the case")
    script = (
        folder / f"{problem.number}_{''.join(c if c.isalnum() else '_' for c in call.check.case)}_{call.check.kind}.py"
    )
    store.write(
        script,
        snippet(
            call,
            stub.path.resolve(),
            problem.number,
            problem.folder.resolve() / "driver.py" if problem.driver else None,
            problem.devices,
        ).encode(),
    )
    several = f"{call.check.entry} · " if len(problem.names) > 1 else ""
    console.print(f"{several}{call.check.case} · {call.check.kind}   {call.described()}", style="bold", markup=False)
    # whole, to be copied
    console.print(
        f"the same in any Python:\npython {shlex.quote(_near(script))}\n", style="dim", markup=False, soft_wrap=True
    )
    try:
        return (
            1
            if subprocess.run([sys.executable, str(script)], env=os.environ | {"JAX_PLATFORMS": "cpu"}).returncode
            else 0
        )
    except KeyboardInterrupt:
        return 130


def _named(calls, text: str):
    """The call of the case whose name begins so, at its first transform. "one key grad" names the transform too, and in
    a problem with several names "causal_sdpa one token" says which one is meant."""
    words = text.strip("“”\"' ").lower()
    entry = next((c.check.entry for c in calls if f"{words} ".startswith(f"{c.check.entry.lower()} ")), None)
    if entry:
        words, calls = words[len(entry) :].strip(), [c for c in calls if c.check.entry == entry]
    kind = next((t for t in TRANSFORMS if words.endswith(f" {t}")), None)
    shown = (*TRANSFORMS, *CLAIM_KINDS)
    if kind:
        words = words[: -len(kind)].rstrip(" ·")
    fitting = [
        c
        for c in calls
        if c.check.kind in shown and c.check.case.lower().startswith(words) and (kind is None or c.check.kind == kind)
    ]
    return next((c for c in fitting if c.check.case.lower() == words), fitting[0] if fitting else None)


def _first_failing(problem: Problem, file: Path | None, calls):
    from grader.judge.grade import grade

    verdict = grade(problem, file, mistakes=False)
    if verdict.status == Status.NOT_WRITTEN:
        return calls[0]
    for entry in verdict.entries:
        if entry.first:
            return next((c for c in calls if c.check == entry.first.check), calls[0])
    return calls[0] if verdict.trouble else None


def _near(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
