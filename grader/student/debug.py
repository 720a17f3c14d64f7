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
from grader.report.words import called


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
    kind, folder = call.check.kind, store.folder(problem.folder.parents[1], "debug")
    if folder is None:
        raise CourseError("there is nowhere to write the script that would run the case")
    script = folder / f"{problem.number}_{''.join(c if c.isalnum() else '_' for c in call.check.case)}_{kind}.py"
    store.write(
        script,
        snippet(
            call,
            stub.path.resolve(),
            problem.number,
            problem.folder.resolve() / "driver.py" if problem.driver else None,
            problem.devices,
            [other for other in calls if other.check == call.check and other.variant and kind in TRANSFORMS],
        ).encode(),
    )
    several = f"{call.check.entry} · " if len(problem.names) > 1 else ""
    console.print(f"{several}{call.check.case} · {kind}   {call.described()}", style="bold", markup=False)
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
    """The call that a text names as a verdict does: "one key", "one key grad", "traced once", in a problem with several
    names "causal_sdpa one key". The first letters of a case will do, and then its first transform is meant."""
    said = _plain(text.strip("“”\"' "))
    if exact := next(
        (c for c in calls if said in (name := _plain(called(c.check)), f"{_plain(c.check.entry)} {name}")), None
    ):
        return exact
    entry = next((c.check.entry for c in calls if f"{said} ".startswith(f"{_plain(c.check.entry)} ")), None)
    if entry:
        said, calls = said[len(entry) :].strip(), [c for c in calls if c.check.entry == entry]
    kind = next((t for t in TRANSFORMS if said.endswith(f" {t}")), None)
    said = said.removesuffix(f" {kind}")
    fitting = [
        c
        for c in calls
        if c.check.kind in ((kind,) if kind else (*TRANSFORMS, *CLAIM_KINDS)) and _plain(c.check.case).startswith(said)
    ]
    return next((c for c in fitting if _plain(c.check.case) == said), fitting[0] if fitting else None)


def _plain(text: str) -> str:
    """A name as a person types it: small letters, and no dots between its parts."""
    return " ".join(text.lower().replace(" · ", " ").split())


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
