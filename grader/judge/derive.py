"""Derives the facts of an attempt anew, from the programs that its worker sent as data, by a process that code of the
student's cannot reach.

What the worker says of a program is thrown away. The calls that share a program with a proof get the outputs of that
very program, on inputs that no worker has seen: so the values that are judged and the facts that are judged belong to
one program, and no program can hold the answers.
"""

from __future__ import annotations

import builtins
import dataclasses
import re
from collections.abc import Callable

from grader.course.calls import Call
from grader.course.outside import APART, OUTSIDE
from grader.course.problem import CourseError
from grader.course.trees import parts_of
from grader.course.verdict import Outcome, leaf_paths
from grader.judge.attempt import Attempt
from grader.process.child import Ended, Process
from grader.process.wire import plain

LONGEST = 300
# What `carry` says that has no form as data, beside a primitive by its name. The process that says it also runs the
# student's code: no other words of it are told.
FORMLESS = (
    "a kernel that closes over an array",
    *(
        f"a `pallas_call` with {what}"
        for what in ("a mesh", "a grid that depends on values", "transformed blocks", "scratch that is no array")
    ),
    "a program of so many steps",
    "a constant of such a size",
)
A_STEP, A_PARAMETER = "one of its steps", "a parameter of one of its steps"
TOO_LONG = {
    "timeout": "it was still being read or run when its time was up",
    "starved": "this machine had too little time for it",
}
WHY = TOO_LONG | {"memory": "reading or running it takes more memory than the grader gives"}
DIED = "the process that reads it ended before it was done"


class _Forged(Exception):
    """What no worker would have sent."""


def programs_of(calls: list[Call]) -> list[list[Call]]:
    """The calls that share each program that a proof or a relation is about: first those, in order, then those whose
    outputs are compared as well."""
    programs: dict[tuple, list[Call]] = {}
    for call in calls:
        if call.measure:
            programs.setdefault((call.measure["under"], call.program_key), []).append(call)
    for call in calls:
        if not call.measure and (call.transform, call.program_key) in programs:
            programs[call.transform, call.program_key].append(call)
    return list(programs.values())


def disguised(calls: list[Call], others: list[Call]) -> list[Call]:
    """The calls as a worker gets them. Those that share a program with a proof or a relation have the inputs of
    `others`, drawn from another seed, in the place of those that the program is run on later: a worker that knew them
    could send a program that holds the answers."""
    shared, by_id = {call.id for group in programs_of(calls) for call in group}, {other.id: other for other in others}
    asked = [
        dataclasses.replace(call, params=by_id[call.id].params, arrays=by_id[call.id].arrays)
        if call.id in shared
        else call
        for call in calls
    ]
    for call, other in zip(calls, asked):
        if call.program_key != other.program_key:
            raise CourseError(
                f"the inputs of {call.check.entry}, {call.variant or call.check.case}, change their shapes from draw "
                f"to draw"
            )
    return asked


def derive(attempt: Attempt, calls: list[Call], path: str, source: str, start: Callable[[], Process]) -> Attempt:
    """The attempt with derived facts and outputs. `start` starts a `grader.program.prover`; `path` and `source` are
    those of the file.

    A program that cannot be carried leaves its calls unproved, which is neither a pass nor a failure; what is no
    program is a forgery.
    """
    outcomes = dict(attempt.outcomes)
    groups: dict[int, list[Call]] = {}
    for group in programs_of(calls):
        came = [call for call in group if call.id in outcomes and not outcomes[call.id].failure]
        if any(call.measure for call in came):
            groups[next((call.id for call in group if call.id in attempt.carried), group[0].id)] = came
        else:  # the worker did not come to it: what it gave was for other inputs
            outcomes = {id: outcome for id, outcome in outcomes.items() if id not in {call.id for call in came}}
    if not groups:
        return dataclasses.replace(attempt, outcomes=outcomes)
    try:
        return dataclasses.replace(attempt, outcomes=outcomes | _derived(attempt, groups, path, source, start))
    except _Forged:
        return dataclasses.replace(attempt, ended=Ended("forged"))


def too_long(attempt: Attempt) -> bool:
    """Whether the clock kept some program from being read or run."""
    structures = [outcome.structure for outcome in attempt.outcomes.values() if not outcome.failure]
    return any(
        structure[1].get("unproved") in TOO_LONG.values()
        for structure in structures
        if isinstance(structure, list) and structure[0] == "facts"
    )


def _derived(attempt: Attempt, groups: dict[int, list[Call]], path: str, source: str, start) -> dict[int, Outcome]:
    found: dict[int, Outcome] = {}
    readable = []
    for group in groups.values():
        # not by the first, if that was stopped
        carried = next((attempt.carried[call.id] for call in group if call.id in attempt.carried), None)
        if carried is None:
            raise _Forged
        message, arrays = carried
        if "lacks" in message:
            found |= _unproved(group, f"{formless(message['lacks'])} cannot be sent as data")
        elif "fault" in message:
            found |= _unproved(group, f"the grader failed to write the program down ({_type(message['fault'])})")
        elif [(name, array.dtype.name, array.ndim) for name, array in arrays.items()] != [("program", "uint8", 1)]:
            raise _Forged
        else:
            readable.append(((message, arrays), group))
    if not readable:
        return found
    prover = start()
    try:
        order = dict(
            programs=[len(group) for _, group in readable], path=path, source=source, memory=prover.limits.memory
        )
        prover.send(
            [(order, None), *(frame for program, group in readable for frame in (program, *map(_unseeded, group)))]
        )
        return found | _heard(prover, [group for _, group in readable], attempt)
    finally:
        prover.kill()


def formless(lacks) -> str:
    """What a process says that cannot be sent, in words of ours."""
    name = re.fullmatch("`(\\w+)`", str(lacks))
    if lacks in FORMLESS or name and name[1] in (*OUTSIDE, *APART):
        return lacks
    return A_PARAMETER if re.fullmatch("`\\w+` with a `.*`", str(lacks)) else A_STEP


def _type(name) -> str:
    """An exception's type as a process tells it, where it is one of Python's own."""
    return name if isinstance(getattr(builtins, str(name), None), type) else "an exception"


def _unseeded(call: Call):
    """A call without the seed, of which a program that was traced has no need."""
    return dataclasses.replace(call, seed=0).to_wire()


def _heard(prover: Process, groups: list[list[Call]], attempt: Attempt) -> dict[int, Outcome]:
    """What the prover says of each program, in order; of those that it does not come to, that they are unproved."""
    found: dict[int, Outcome] = {}
    frames, read = prover.frames(), 0
    while True:
        try:
            message, arrays = next(frames)
        except StopIteration as stop:
            ended = stop.value
            break
        if "reading" in message:
            group = {call.id: call for call in groups[read]}
            read += 1
        elif "malformed" in message:
            raise _Forged
        elif "lacks" in message:
            found |= _unproved(list(group.values()), message["lacks"])
        elif "unproved" in message:
            found |= _unproved([group[message["call"]]], message["unproved"])
        elif "call" in message:
            call = group[message["call"]]
            found[call.id] = (
                Outcome(["facts", message["facts"]])
                if call.transform == "proof"
                else _filled(attempt.outcomes[call.id], message["keys"], arrays)
            )
    for number, group in enumerate(groups, 1):
        found |= _unproved(
            [call for call in group if call.id not in found], WHY.get(ended.how, DIED) if number == read else DIED
        )
    return found


def _filled(told: Outcome, keys: list[int], arrays: dict) -> Outcome:
    """The outputs of a program in the containers that the worker told of, which show in no program."""
    leaves = [*leaf_paths(told.structure)]
    kinds = [kind for _, kind in parts_of(told.structure) if kind in ("array", "key")]
    if {*map(str, range(len(leaves)))} != {*arrays} or [
        number for number, kind in enumerate(kinds) if kind == "key"
    ] != keys:
        raise _Forged
    return Outcome(told.structure, {leaf: arrays[str(number)] for number, leaf in enumerate(leaves)})


def _unproved(group: list[Call], why: str) -> dict[int, Outcome]:
    return {call.id: Outcome(["facts", {"unproved": plain(str(why))[:LONGEST]}]) for call in group}
