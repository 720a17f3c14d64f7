"""What there is to know of each kind of check: what it is called, what has to be right before it says anything, and
what is said of one that fails.

A kind that is not here is a call under a transform, and is told as any value is (see `explain.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader.course.verdict import Outcome, cut, leaf_paths
from grader.judge.variables import advice_on_variables, variables_apart

if TYPE_CHECKING:  # an untouched stub gets its verdict without NumPy
    from grader.course.calls import Call
    from grader.key.compare import Mismatch

Told = tuple[str, str, str]  # a sentence, more lines, advice
CALL_FAILS = "the call itself fails"
RETRACED = (
    "What changes from call to call must be an array, not a Python value: a counter kept on the module or in a "
    "global forces a new trace."
)


def like_any_value(mismatch: Mismatch, call: Call) -> Told | None:
    return None


def whole(outcome: Outcome) -> Outcome:
    return outcome


@dataclass(frozen=True)
class Kind:
    """`title` is what it is called where it is no case under a transform. Where an earlier check has failed, one of it
    that fails could not be checked, for the reason `needs`, if `needs_it(outcome)`; else what is compared is
    `asks(outcome)`, which no wrong value changes. `explain(mismatch, call)` is what is said of it."""

    title: str
    explain: Callable[[Mismatch, Call], Told | None] = like_any_value
    needs: str = ""
    needs_it: Callable[[Outcome], bool] = lambda outcome: True
    asks: Callable[[Outcome], Outcome] = whole


def fails(outcome: Outcome) -> bool:
    return outcome.failure is not None


def _of_variables(mismatch: Mismatch, call: Call) -> Told | None:
    if mismatch.way != "structure" or mismatch.came[0] != "variables":
        return None
    expected, came = mismatch.expected[1], mismatch.came[1]
    after = "after its calls " if call.check.kind == "state" else ""
    return (
        f"{after}the module does not hold the variables of the contract",
        variables_apart(expected, came),
        advice_on_variables(expected, came),
    )


def _of_traces(mismatch: Mismatch, call: Call) -> Told | None:
    change = part_of(mismatch.came, "change") if mismatch.way == "structure" else None
    if change and change[0] == "change":
        return f"the step was traced again for inputs of the same shapes{_changed(*change[1])}", "", RETRACED
    if mismatch.difference and mismatch.leaf == "traces":
        return (
            f"the body was traced {int(mismatch.difference.came)} times for two calls with the same shapes; once is "
            f"enough",
            "",
            RETRACED,
        )
    return None


def _of_leaks(mismatch: Mismatch, call: Call) -> Told | None:
    return mismatch.difference and (
        "an intermediate value outlives the call: the file keeps a tracer in a global, a list or an attribute",
        "",
        "Keep nothing between calls. To look at a value, use `jax.debug.print`, or return it.",
    )


def _of_again(mismatch: Mismatch, call: Call) -> Told | None:
    if not mismatch.difference:
        return None
    when = (
        "called again with the very same arrays, it gives another answer"
        if mismatch.leaf.startswith("again")
        else "called with the same first array and other values in the rest, it gives an answer that is not theirs"
        if len(call.arrays) > 1
        else "called with other values in the same shape, it gives an answer that is not theirs"
    )
    return (
        when + mismatch.difference.off_by,
        "",
        "Keep nothing between calls: the output follows from the arguments alone.",
    )


def _without_output(outcome: Outcome) -> Outcome:
    """What a dict of an outcome says beside the output: how often, whatever the values are."""
    if outcome.failure or not isinstance(outcome.structure, (list, tuple)) or outcome.structure[0] != "dict":
        return outcome
    parts = [[name, part] for name, part in outcome.structure[1] if name != "output"]
    return Outcome(["dict", parts], {name: outcome.leaves[name] for name in leaf_paths(["dict", parts])})


KINDS = {
    "name": Kind("name and signature"),
    "parameters": Kind("parameters", _of_variables),
    "state": Kind("variables after the calls", _of_variables, CALL_FAILS, fails),
    "traces": Kind("traced once", _of_traces, CALL_FAILS, fails, _without_output),
    "leaks": Kind("no leaked tracers", _of_leaks, CALL_FAILS, fails),
    "again": Kind("same answer again", _of_again, "what a single call gives has to be right first"),
    "end": Kind("the end of the run"),
}
VALUE = Kind("")


def kind_of(name: str) -> Kind:
    return KINDS.get(name, VALUE)


def part_of(structure, name: str):
    """The part of a dict's structure under a name, or None."""
    return (
        next((part for key, part in structure[1] if key == name), None)
        if isinstance(structure, list) and structure[0] == "dict"
        else None
    )


def _changed(name: str, before: str, now: str) -> str:
    """What a second trace found otherwise, as the end of a sentence. The values are the file's own."""

    def told(value: str, missing: str) -> str:
        return f"`{cut(value.replace('`', chr(39)), 60)}`" if value else missing

    return (
        f": {told(name, '')} is {told(now, 'gone')} in the second trace and was {told(before, 'not there')} in the "
        f"first"
        if name
        else ""
    )
