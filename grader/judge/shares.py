"""Which of two workers makes which calls, so that both are done at about the same time.

What is made, traced or compiled for some sizes serves all calls with these sizes, and some of it those with some of
them. So calls with the same sizes go to one worker, the dearest first, each group to the worker that is done sooner.
"""

from __future__ import annotations

from grader.course.calls import Call

# Thousandths of a second, about, of the first call of its program; of another one it is next to nothing.
COSTS = {
    "parameters": 10,
    "eager": 28,
    "jit": 14,
    "vmap": 16,
    "grad": 26,
    "proof": 6,
    "lowering": 40,
    "races": 160,
    "draws": 70,
    "traces": 20,
    "state": 10,
    "leaks": 10,
    "again": 15,
}
MODULE = 20  # to make one
LOOK = 60  # for leaks, at all objects that there are
KNOWN = 0.65  # the part of a cost that goes where all shapes have been met


def shares(calls: list[Call]) -> tuple[set[int], set[int]]:
    """The calls of each, by ids."""
    loads, ids, met = [0.0, 0.0], (set(), set()), (set(), set())
    for group in sorted(_alike(calls), key=_cost, reverse=True):
        shapes = {(array.shape, array.dtype) for call in group for array in call.inputs}
        costs = [_cost(group) * (1 - KNOWN * len(shapes & there) / max(len(shapes), 1)) for there in met]
        sooner = min((0, 1), key=lambda worker: loads[worker] + costs[worker])
        loads[sooner] += costs[sooner]
        ids[sooner].update(call.id for call in group)
        met[sooner].update(shapes)
    return ids


def _alike(calls: list[Call]) -> list[list[Call]]:
    """The calls with the same sizes: of one case, of one program, or of a module that is made alike. What looks for
    leaks looks once."""
    group_of: dict[tuple, list[Call]] = {}
    for call in calls:
        keys = [call.check.case, call.program_key, *([repr(call.init)] if call.module else [])]
        keys = [("leaks",)] if call.transform == "leaks" else [(call.check.entry, key) for key in keys]
        known = {id(group_of[key]): group_of[key] for key in keys if key in group_of}
        group = [*sum(known.values(), []), call]
        group_of |= dict.fromkeys([*keys, *(key for key, other in group_of.items() if id(other) in known)], group)
    return [*{id(group): group for group in group_of.values()}.values()]


def _cost(group: list[Call]) -> float:
    programs = {(_kind(call), call.program_key) for call in group}
    more = MODULE * any(call.module for call in group) + LOOK * any(call.transform == "leaks" for call in group)
    return more + sum(COSTS[kind] for kind, _ in programs)


def _kind(call: Call) -> str:
    of = call.measure.get("of")
    return of if of in COSTS else call.transform
