"""Whether a problem's cases tell right from wrong: each argument counts, no allowed error is so large that a constant
passes, and automatic mutants are caught.

What a mutant gives is mostly known without running it: that of a reference which ignores an argument is what the
reference gives for another value of it, that of one whose gradient is detached is the key with zeros in its place.
Those that keep something between calls, or on the module, are run. Where values are drawn, and so any of them pass, the
claims about what is drawn have to tell right from wrong.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

import ml_dtypes
import numpy as np

from grader.authors.mutants import CAUGHT_BY
from grader.course.calls import Call, eps_of, is_float
from grader.course.cases import TRANSFORMS, Entry
from grader.course.settle import drawn_of
from grader.course.verdict import Outcome
from grader.key.compare import DRAWN, compare
from grader.key.key import Answer, AnswerKey

AS_IT_IS = "as it is"
KEYS = 3  # other keys that are tried where they must make no difference
# the first of them that a case is tried under tells whether values depend on an argument
VALUES = ("jit", "eager")
ROUNDING = 8  # a leaf is constant when it is so but for this many last digits


def constants_that_pass(calls: list[Call], key: AnswerKey) -> Iterator[str | None]:
    """For each array of the key, and for zeros and its mean in its place: a fault where that passes though it is
    another, else None."""
    for call in calls:
        answer = key.answers.get(call.id)
        if answer is None or call.check.kind not in TRANSFORMS or answer.outcome.failure:
            continue
        for leaf, array in answer.outcome.leaves.items():
            if not array.size or answer.allowed.get(leaf, 0.0) is DRAWN:
                continue
            values = array.astype(np.float64)
            finite = np.isfinite(values)
            mean = _finite(values).mean() if array.dtype.kind != "b" else 0.0
            for name, constant in {"zeros": 0.0, "its mean": mean}.items():
                if not _is_constant(array[finite], values[finite], constant):
                    # infinities stay, since these are told without any allowed error
                    instead = np.where(finite, constant, values).astype(array.dtype)
                    yield _fault_if_passing(
                        call, answer, leaf, instead, f"{name} in the place of {leaf or 'the output'}"
                    )
            if is_float(array):
                with np.errstate(over="ignore"):
                    other = array.astype(np.float16 if array.dtype == np.float32 else np.float32)
                yield _fault_if_passing(call, answer, leaf, other, f"{leaf or 'the output'} as {other.dtype.name}")


def _finite(values: np.ndarray) -> np.ndarray:
    """What a mean can be taken of: all but infinities and NaN, or 0 where nothing else is there."""
    finite = values[np.isfinite(values)]
    return finite if finite.size else np.zeros(1)


def _is_constant(array: np.ndarray, values: np.ndarray, constant: float) -> bool:
    if not is_float(array):
        return bool((array == array.dtype.type(constant)).all())
    if constant == 0.0:
        return not values.any()
    return bool(np.abs(values - constant).max(initial=0.0) <= ROUNDING * eps_of(array) * abs(constant))


def _fault_if_passing(call: Call, answer: Answer, leaf: str, instead: np.ndarray, what: str) -> str | None:
    mutant = Outcome(answer.outcome.structure, answer.outcome.leaves | {leaf: instead})
    if compare(answer.outcome, mutant, answer.allowed) is not None:
        return None
    return f"{_place(call)}: {what} would pass; {answer.allowed.get(leaf, 0.0):.2g} is allowed"


def answers_that_repeat(calls: list[Call], key: AnswerKey) -> Iterator[str | None]:
    """For each call that is made again: a fault where the answer of the first call would pass for the other one."""
    for call in calls:
        if call.check.kind == "again" and not call.drawn and (answer := key.answers.get(call.id)):
            kept = {
                leaf: answer.outcome.leaves["again" + leaf.removeprefix("other")]
                for leaf in answer.outcome.leaves
                if leaf.startswith("other")
            }
            same = (
                compare(answer.outcome, Outcome(answer.outcome.structure, answer.outcome.leaves | kept), answer.allowed)
                is None
            )
            yield f"{_place(call)}: what the first call gives would pass for the second" if same else None


# Every argument counts


def changed_calls(entry: Entry, calls: list[Call]) -> list[tuple[Call, str, Call]]:
    """The calls of an entry, what is changed of one argument or parameter, and the call that is so; under every
    transform for arrays, under one for Python values. Of what is drawn any values are right, and so nothing would
    tell."""
    found: list[tuple[Call, str, Call]] = []
    for call in calls:
        case = entry.cases.get(call.check.case)
        if (
            call.check.entry != entry.name
            or call.check.kind not in TRANSFORMS
            or case is None
            or case.raises
            or call.drawn
        ):
            continue
        value = next((kind for kind in VALUES if kind in case.under), "")
        if call.check.kind in (value, "vmap", "grad"):
            found += [
                (call, what, replace(call, id=len(found) + i, **fields))
                for i, (what, fields) in enumerate(_changes(entry, call, call.check.kind == value))
            ]
    return found


def drawn_otherwise(entry: Entry, calls: list[Call]) -> list[tuple[Call, str, Call]]:
    """The same of the calls of the claims about what is drawn; each stands there as it is, too."""
    found: list[tuple[Call, str, Call]] = []
    for call in calls:
        if call.check.entry == entry.name and call.check.kind == "draws":
            for what, fields in [(AS_IT_IS, {}), *_changes(entry, call, True)]:
                found.append((call, what, replace(call, id=len(found), **fields)))
    return found


def _changes(entry: Entry, call: Call, with_static: bool) -> Iterator[tuple[str, dict]]:
    """What is changed of a call, in words, and the fields that are then otherwise."""
    rng = np.random.default_rng(call.id)
    for group in ("params", "arrays"):
        for name, array in getattr(call, group).items():
            if not _named_by(entry.idle, name):
                for how, other in _other_keys(rng, array, call) if name in call.keys else _other_arrays(rng, array):
                    yield f"{name}: {how}", {group: getattr(call, group) | {name: other}}
    for name, old in call.static.items() if with_static else ():
        if not _named_by(entry.idle, name):
            for other in _other_values(old):
                yield f"{name}: {other!r}", dict(static=call.static | {name: other})


def _named_by(names, path: str, under: str = "") -> bool:
    """Whether one of the names is that of an argument or a part of it: `state`, `state.mean`, or `state under grad`."""
    within = [path[:end] for end in range(1, len(path) + 1) if path[end : end + 1] in ("", ".", "[")]
    return not {*within, *(f"{name} under {under}" for name in within if under)}.isdisjoint(names)


def _other_keys(rng, array: np.ndarray, call: Call) -> list[tuple[str, np.ndarray]]:
    """Another key; for a claim about many, one and the same, as for who ignores it."""
    if call.check.kind == "draws":
        return [("one key each time", np.broadcast_to(array[:1], array.shape).copy())]
    return [(f"another key ({i})", rng.integers(1 << 32, size=array.shape, dtype=np.uint32)) for i in range(KEYS)]


def _other_arrays(rng, array: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if array.dtype.kind == "b":
        # who does not look at a mask hides nothing
        return [("flipped", ~array), ("all True", np.ones_like(array))]
    if is_float(array):
        values = array.astype(np.float64)
        finite = _finite(values)
        other = finite.mean() + (finite.std() or 1.0) * rng.standard_normal(array.shape)
        if (values > 0).all():  # a temperature or a rate stays one
            other = np.abs(other) if finite.std() else 3 * values
        most = float(ml_dtypes.finfo(array.dtype).max)
        return [("redrawn", np.asarray(other.clip(-most, most), array.dtype))]
    return [("zeros", np.zeros_like(array)) if array.any() else ("ones", np.ones_like(array))]


def _other_values(old) -> list:
    """Values of which one at least makes sense in the place of the old one."""
    if isinstance(old, bool):
        return [not old]
    return [old + 1, 2 * old, 1] if isinstance(old, int) else []


def arguments_that_make_no_difference(
    entry: Entry, changed: list[tuple[Call, str, Call]], outcomes: dict[int, Outcome], key: AnswerKey
) -> Iterator[str | None]:
    """For each argument of each call: a fault where a change of it makes no difference and the case does not say so, or
    says so and it does make one."""
    tried: dict[tuple[int, str], list] = {}
    for call, what, other in changed:
        name = what.split(":")[0]
        tried.setdefault((call.id, name if name in call.static else what), []).append(
            (call, what, outcomes.get(other.id))
        )
    for (id, label), group in tried.items():
        call, answer = group[0][0], key.answers[id]
        idle = entry.cases[call.check.case].idle
        name = label.split(":")[0]
        certain = name in call.keys
        said = certain or label in idle or _named_by(idle, name, call.check.kind)
        ran = [came for _, _, came in group if came and not came.failure] or [came for _, _, came in group if came]
        moved = any(compare(answer.outcome, came, answer.allowed) is not None for came in ran)
        if not ran:
            yield f"{_place(call)}: with another {label} it could not be run"
        elif certain and moved:
            yield f"{_place(call)}: it says that what is drawn is certain (drawn=False), and another {name} gives something else"  # noqa: E501
        elif said == moved:
            yield (
                f"{_place(call)}: it says that {label} makes no difference, and it does"
                if said
                else f"{_place(call)}: {label} makes no difference, so who ignores it passes; if that has to be, the "
                f"case says so (idle=)"
            )
        else:
            yield None


# What is drawn


def cases_that_nothing_tells(entry: Entry, calls: list[Call]) -> Iterator[str | None]:
    """For each case whose values are drawn: a fault where no claim is about them."""
    told = {statistic.case for statistic in entry.statistics} | {relation.case for relation in entry.relations}
    for case in dict.fromkeys(
        call.check.case
        for call in calls
        if call.check.entry == entry.name and call.drawn and call.check.case in entry.cases
    ):
        yield (
            None
            if case in told
            else f"{entry.name}, {case}: its values are drawn, and no claim is about them, so any pass: a Statistic, "
            f"Frequencies or a Relation of this case tells"
        )


def draws_that_pass(
    entry: Entry, changed: list[tuple[Call, str, Call]], outcomes: dict[int, Outcome]
) -> Iterator[str | None]:
    """For each change of an argument, and for constants in the place of what is drawn: a fault where no claim about the
    case tells it."""
    tried: dict[tuple[str, str], list[tuple[Call, Outcome]]] = {}
    for call, what, other in changed:
        case, came = entry.frequencies[call.check.case].case, outcomes[other.id]
        label = what.split(":")[0] if what.split(":")[0] in call.static else what
        if what == AS_IT_IS and not came.failure:
            for name, constant in {
                "zeros": np.zeros_like,
                "the first draw each time": lambda array: np.broadcast_to(array[:1], array.shape),
            }.items():
                tried.setdefault((case, name), []).append(
                    (call, replace(came, leaves={leaf: constant(array) for leaf, array in came.leaves.items()}))
                )
        elif not came.failure:
            tried.setdefault((case, label), []).append((call, came))
    for (case, label), group in tried.items():
        name = label.split(":")[0]
        said = label in entry.cases[case].idle or _named_by(entry.cases[case].idle, name, "draws")
        moved = any(is_told(entry, call, came) for call, came in group)
        place = f"{entry.name}, {case} · draws"
        if said and moved:
            yield f"{place}: it says that {label} makes no difference, and it does"
        elif not said and not moved:
            yield f"{place}: no claim about what is drawn tells {label}" + (
                ", so who ignores it passes; if that has to be, the case says so (idle=)"
                if ":" in label
                else ": it would pass"
            )
        else:
            yield None


def is_told(entry: Entry, call: Call, came: Outcome) -> bool:
    """Whether a claim is broken by what was drawn, at the inputs of its call."""
    return entry.frequencies[call.check.case].broken(call.known, drawn_of(came)) is not None


def one_key_twice(
    entry: Entry, calls: list[Call], right: dict[int, Outcome], outcomes: dict[int, Outcome]
) -> Iterator[str | None]:
    """For each case with claims about what is drawn: a fault where who uses one key twice draws something else than the
    reference, and no claim tells."""
    of: dict[str, list[Call]] = {}
    for call in calls:
        of.setdefault(entry.frequencies[call.check.case].case, []).append(call)
    for case, group in of.items():
        same = all(compare(right[call.id], outcomes[call.id], {}) is None for call in group)
        told = any(outcomes[call.id].failure or is_told(entry, call, outcomes[call.id]) for call in group)
        yield None if same or told else f"{entry.name}, {case} · draws: who uses one key twice passes"


def _place(call: Call) -> str:
    return f"{call.check.entry}, {call.check.case} · {call.check.kind}"


def mutants_that_pass(
    name: str, calls: list[Call], outcomes: dict[int, Outcome], key: AnswerKey, idle: Container[int] = ()
) -> Iterator[str | None]:
    """For each call by which an automatic mutant is to be caught: a fault where what it gave would pass; where it
    is one of those that may be `idle`, where it would not."""
    for call in calls:
        answer, came = key.answers[call.id], outcomes.get(call.id)
        same = came is not None and compare(answer.outcome, came, answer.allowed) is None
        if call.id in idle:
            yield None if same else f"{_place(call)}: it says that again makes no difference, and it does"
        else:
            yield f"{_place(call)}: who {name.replace('_', ' ')} passes" if same else None


def caught_by(name: str, calls: list[Call], key: AnswerKey) -> list[Call]:
    """The calls by which a mutant is to be caught."""
    return [
        call
        for call in calls
        if call.check.kind in CAUGHT_BY[name]
        and call.id in key.answers
        and not key.answers[call.id].outcome.failure
        and not (call.drawn and call.check.kind == "again")
    ]  # what is drawn may be the same twice
