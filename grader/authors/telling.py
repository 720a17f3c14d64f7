"""Whether a problem's cases tell right from wrong: each argument counts, no allowed error is so large that a constant passes, and automatic mutants are caught.

What a mutant gives is mostly known without running it: that of a reference which ignores an argument is what the reference gives for another value of it,
that of one whose gradient is detached is the key with zeros in its place. Those that keep something between calls, or on the module, are run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from grader.authors.mutants import CAUGHT_BY
from grader.course.calls import Call, is_float
from grader.course.cases import TRANSFORMS, Entry
from grader.course.verdict import Outcome
from grader.key.compare import compare
from grader.key.key import Answer, AnswerKey

VALUES = ("jit", "eager")       # the first of them that a case is tried under tells whether values depend on an argument
ROUNDING = 8                    # a leaf is constant when it is so but for this many last digits


def constants_that_pass(calls: list[Call], key: AnswerKey) -> Iterator[str | None]:
    """For each array of the key, and for zeros and its mean in its place: a fault where that passes though it is another, else None."""
    for call in calls:
        answer = key.answers.get(call.id)
        if answer is None or call.check.kind not in TRANSFORMS or answer.outcome.failure:
            continue
        for leaf, array in answer.outcome.leaves.items():
            values = array.astype(np.float64)
            for name, constant in {"zeros": 0.0, "its mean": values.mean() if array.dtype.kind != "b" else 0.0}.items():
                if not _is_constant(array, values, constant):
                    instead = np.full(array.shape, constant).astype(array.dtype)
                    yield _fault_if_passing(call, answer, leaf, instead, f"{name} in the place of {leaf or 'the output'}")
            if is_float(array):
                other = array.astype(np.float16 if array.dtype == np.float32 else np.float32)
                yield _fault_if_passing(call, answer, leaf, other, f"{leaf or 'the output'} as {other.dtype.name}")


def _is_constant(array: np.ndarray, values: np.ndarray, constant: float) -> bool:
    if not is_float(array):
        return bool((array == array.dtype.type(constant)).all())
    if constant == 0.0:
        return not values.any()
    eps = 2.0 ** -8 if array.dtype.itemsize == 2 else float(np.finfo(array.dtype).eps)
    return bool(np.abs(values - constant).max(initial=0.0) <= ROUNDING * eps * abs(constant))


def _fault_if_passing(call: Call, answer: Answer, leaf: str, instead: np.ndarray, what: str) -> str | None:
    mutant = Outcome(answer.outcome.structure, answer.outcome.leaves | {leaf: instead})
    if compare(answer.outcome, mutant, answer.allowed) is not None:
        return None
    return f"{_place(call)}: {what} would pass; {answer.allowed.get(leaf, 0.0):.2g} is allowed"


def answers_that_repeat(calls: list[Call], key: AnswerKey) -> Iterator[str | None]:
    """For each call that is made again: a fault where the answer of the first call would pass for the other one."""
    for call in calls:
        if call.check.kind == "again" and (answer := key.answers.get(call.id)):
            kept = {leaf: answer.outcome.leaves["again" + leaf.removeprefix("other")] for leaf in answer.outcome.leaves if leaf.startswith("other")}
            same = compare(answer.outcome, Outcome(answer.outcome.structure, answer.outcome.leaves | kept), answer.allowed) is None
            yield f"{_place(call)}: what the first call gives would pass for the second" if same else None


# Every argument counts


def changed_calls(entry: Entry, calls: list[Call]) -> list[tuple[Call, str, Call]]:
    """The calls of an entry, what is changed of one argument or parameter, and the call that is so; under every transform for arrays, under one for Python values."""
    found: list[tuple[Call, str, Call]] = []

    def change(call: Call, what: str, **fields):
        found.append((call, what, replace(call, id=len(found), **fields)))

    for call in calls:
        case = entry.cases.get(call.check.case)
        if call.check.entry != entry.name or call.check.kind not in TRANSFORMS or case is None or case.raises:
            continue
        value = next((kind for kind in VALUES if kind in case.under), "")
        if call.check.kind not in (value, "vmap", "grad"):
            continue
        rng = np.random.default_rng(call.id)
        for group in ("params", "arrays"):
            for name, array in getattr(call, group).items():
                if name not in entry.idle:
                    for how, other in _other_arrays(rng, array):
                        change(call, f"{name}: {how}", **{group: getattr(call, group) | {name: other}})
        if call.check.kind == value:
            for name, old in call.static.items():
                if name not in entry.idle:
                    for other in _other_values(old):
                        change(call, f"{name}: {other!r}", static=call.static | {name: other})
    return found


def _other_arrays(rng, array: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if array.dtype.kind == "b":
        return [("flipped", ~array), ("all True", np.ones_like(array))]       # who does not look at a mask hides nothing
    if is_float(array):
        values = array.astype(np.float64)
        return [("redrawn", (values.mean() + (values.std() or 1.0) * rng.standard_normal(array.shape)).astype(array.dtype))]
    return [("zeros", np.zeros_like(array)) if array.any() else ("ones", np.ones_like(array))]


def _other_values(old) -> list:
    """Values of which one at least makes sense in the place of the old one."""
    if isinstance(old, bool):
        return [not old]
    return [old + 1, 2 * old, 1] if isinstance(old, int) else []


def arguments_that_make_no_difference(entry: Entry, changed: list[tuple[Call, str, Call]], outcomes: dict[int, Outcome], key: AnswerKey) -> Iterator[str | None]:
    """For each argument of each call: a fault where a change of it makes no difference and the case does not say so, or says so and it does make one."""
    tried: dict[tuple[int, str], list] = {}
    for call, what, other in changed:
        name = what.split(":")[0]
        tried.setdefault((call.id, name if name in call.static else what), []).append((call, what, outcomes.get(other.id)))
    for (id, label), group in tried.items():
        call, answer = group[0][0], key.answers[id]
        idle = entry.cases[call.check.case].idle
        name = label.split(":")[0]
        said = not {label, name, f"{name} under {call.check.kind}"}.isdisjoint(idle)
        ran = [came for _, _, came in group if came and not came.failure] or [came for _, _, came in group if came]
        moved = any(compare(answer.outcome, came, answer.allowed) is not None for came in ran)
        if not ran:
            yield f"{_place(call)}: with another {label} it could not be run"
        elif said == moved:
            yield f"{_place(call)}: it says that {label} makes no difference, and it does" if said else \
                f"{_place(call)}: {label} makes no difference, so who ignores it passes; if that has to be, the case says so (idle=)"
        else:
            yield None


def _place(call: Call) -> str:
    return f"{call.check.entry}, {call.check.case} · {call.check.kind}"


def mutants_that_pass(name: str, calls: list[Call], outcomes: dict[int, Outcome], key: AnswerKey) -> Iterator[str | None]:
    """For each call by which an automatic mutant is to be caught: a fault where what it gave would pass."""
    for call in calls:
        answer, came = key.answers[call.id], outcomes.get(call.id)
        same = came is not None and compare(answer.outcome, came, answer.allowed) is None
        yield f"{_place(call)}: who {name.replace('_', ' ')} passes" if same else None


def caught_by(name: str, calls: list[Call], key: AnswerKey) -> list[Call]:
    """The calls by which a mutant is to be caught."""
    return [call for call in calls if call.check.kind in CAUGHT_BY[name] and call.id in key.answers and not key.answers[call.id].outcome.failure]
