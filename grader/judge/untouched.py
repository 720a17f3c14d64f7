"""The names of a file that are made of the same as when they passed: what was answered about them is judged again, and
not run again. Who edits one name does not wait for the others.

Nothing of a run in which something was printed is taken: what a call prints is told each time.
"""

from __future__ import annotations

import re

from grader.course.calls import Call
from grader.course.problem import Problem
from grader.course.verdict import Outcome, Status, Verdict
from grader.judge.attempt import listen
from grader.judge.pieces import pieces
from grader.judge.recording import alone, kept, read
from grader.process.stub import Stub

OF_A_CALL = re.compile("\x1e(?!-1\x1e)-?[0-9]{1,9}\x1e([^\x1e]*)")  # what was printed from there on
UNTOUCHED = "As when they last passed, and not run again: {}. `--again` runs everything."
ONE = "As when it last passed, and not run again: {}. `--again` runs everything."


def untouched(problem: Problem, stub: Stub, calls: list[Call]) -> dict[int, Outcome]:
    """What was answered to the calls about names that are as they were when they passed."""
    now = pieces(problem, stub.source) if alone(stub.source) else {}
    ids = {name: {call.id for call in calls if call.check.entry == name} for name in now}
    found: dict[int, Outcome] = {}
    for path in kept(problem) if now else ():
        left = {name: piece for name, piece in now.items() if not ids[name] <= {*found}}
        recorded = read(problem, path, lambda then, left=left: bool(left.items() & then.items()))
        if recorded is None:
            continue
        outcomes = listen(recorded, stub.source, calls, True).outcomes
        for name in left:
            if ids[name] <= {*outcomes} and recorded.pieces.get(name) == now[name]:
                found |= {id: outcomes[id] for id in ids[name]}
    return found


def pieces_passed(problem: Problem, stub: Stub, verdict: Verdict, prints: list[str]) -> dict[str, str]:
    """The pieces of the names that passed, of a run that printed nothing beyond its import."""
    if any(printed.strip() for text in prints for printed in OF_A_CALL.findall(text)):
        return {}
    passed = {entry.name for entry in verdict.entries if entry.status == Status.PASSED}
    return {name: piece for name, piece in pieces(problem, stub.source).items() if name in passed}


def told(outcomes: dict[int, Outcome], calls: list[Call]) -> tuple[str, ...]:
    """The note on what was not run again."""
    names = [*dict.fromkeys(call.check.entry for call in calls if call.id in outcomes)]
    return ((UNTOUCHED if len(names) > 1 else ONE).format(", ".join(names)),) if names else ()
