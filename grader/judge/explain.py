"""Sentences for the student: the rule, what came, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from grader.course.calls import Call
from grader.course.trees import WITH_FIELDS, first_difference
from grader.course.verdict import Failure, named
from grader.judge.kinds import kind_of, part_of
from grader.judge.raised import explain_failure
from grader.key.compare import Mismatch
from grader.process.child import Ended

LIST = (
    "Return one array: `jnp.array` makes one of nested lists, `jnp.stack` of arrays. What is not the output is not "
    "returned."
)
REFUSED = (
    "The line is your own, and the contract allows what comes here. See what the stub says of the arguments and their "
    "shapes, and refuse no more than that."
)
MOST_NAMES = 12  # of what is listed


# How a process ended that did not come back: what is said of it, where {where} is its line, and what to do.
ENDED = {
    "timeout": (
        "{where} was still running after {detail} without a result, and was stopped",
        "Look for a loop whose condition never becomes false, or for something that waits.",
    ),
    "starved": (
        "this machine had too little time for it: {detail}",
        "This is no fault of the file. Run it again when less else is running.",
    ),
    "memory": (
        "{where} took more memory than the grader gives, and the process was ended",
        "Look for an array whose shape is a product of values, or a list that grows without end.",
    ),
    "results": (
        "it gave back more than {detail} in all",
        "The cases are small: look for an array whose shape is a product of sizes.",
    ),
    "flood": ("it printed {detail} and went on, and was stopped", "Look for a `print` in a loop that does not end."),
    "forged": (
        "it wrote something of its own into the channel that carries the outcomes",
        "Leave file descriptors alone; to show a value, use `print`.",
    ),
    "signal": (
        "{where} crashed the Python process ({detail})",
        "Only native code crashes like this: look at calls through ctypes, or at buffers that were freed.",
    ),
    "exit": (
        "{where} ended the Python process (exit code {detail})",
        "Leave a function with `return`, not with `os._exit()`.",
    ),
}


def explain_ended(ended: Ended) -> tuple[str, str]:
    """A sentence about a worker that did not come back."""
    sentence, advice = ENDED.get(ended.how, ENDED["exit"])
    return sentence.format(where=f"line {ended.line}" if ended.line else "it", detail=ended.detail), advice


def explain_mismatch(mismatch: Mismatch, call: Call, returns: str = "") -> tuple[str, str, str]:
    """A sentence, more lines, and advice for an outcome that is not the expected one."""
    kind = call.check.kind
    if told := kind_of(kind).explain(mismatch, call):
        return told
    if mismatch.way == "failure":
        if mismatch.expected and (not mismatch.came or mismatch.came.type == "ParameterMismatch"):
            return (
                f"{mismatch.expected.type} was expected, and nothing was raised",
                "",
                f"The contract asks for `raise {mismatch.expected.type}(...)` here.",
            )
        summary, advice = explain_failure(mismatch.came, kind, call.static)
        if call.by_name and not mismatch.came.lines and "in_axes" in mismatch.came.message:
            advice = (
                advice
                or "This case passes its arguments by name, as a caller may. A bare `jax.vmap(..., in_axes=(...))` "
                "takes them by position only: call it inside a `def`."
            )
        if mismatch.expected:
            summary = f"{mismatch.expected.type} was expected; instead {summary}"
        elif _refuses(mismatch.came):
            advice = advice or REFUSED
        return summary, "", advice
    if mismatch.way == "structure":
        return (*_structure(mismatch, call),)
    subject = _subject(mismatch.leaf, kind)
    if mismatch.way == "shape":
        expected, came = mismatch.expected, mismatch.came
        named = f", that is `{returns}`" if returns and kind in ("eager", "jit") and not mismatch.leaf else ""
        return f"{subject} has shape {came}; expected {expected}{named}", "", ""
    if mismatch.way == "dtype":
        return (
            f"{subject} has dtype {mismatch.came}; expected {mismatch.expected}",
            "",
            "A mask is boolean; True means: may attend."
            if mismatch.expected == "bool"
            else "The output has the input's dtype."
            if call.arrays
            else "",
        )
    difference = mismatch.difference
    count, total = int(difference.wrong.sum()), difference.wrong.size
    driven = (
        f"Here the steps are taken by {call.drive}: what the module remembers has to be in its nnx variables, not in "
        f"Python values."
        if call.drive != "by hand"
        else ""
    )
    if mismatch.way == "nan":
        came = difference.came.astype("float64")[difference.wrong]
        nan, infinite = np.isnan(came), np.isinf(came)
        what = "NaN or infinite" if nan.any() and infinite.any() else "NaN" if nan.any() else "infinite"
        bad = int((nan | infinite).sum())
        return f"{bad} of {total} values of {subject} {'is' if bad == 1 else 'are'} {what}", "", driven
    if difference.expected.dtype.kind == "b":
        return f"{count} of {total} values of {subject} {'differs' if count == 1 else 'differ'}", "", ""
    return (
        f"{count} of {total} values of {subject} {'differs' if count == 1 else 'differ'}{difference.off_by}",
        "",
        driven,
    )


def _subject(leaf: str, kind: str) -> str:
    if kind == "parameters":
        return f"the initial `{leaf}`"
    if kind == "grad":
        return f"the gradient for {leaf}"
    leaf = leaf.removeprefix("output.")
    if leaf.startswith("variables."):
        return f"the variable `{leaf.removeprefix('variables.')}` after the calls"
    step = re.fullmatch(r"output\[(\d+)\]", leaf)
    if step:
        return f"the output of call {int(step[1]) + 1}"
    return f"{named(leaf)} of the output" if leaf and leaf != "output" else "the output"


def _refuses(failure: Failure) -> bool:
    """Whether a line of the file raises the error itself."""
    raises = failure.lines and failure.lines[-1][2].lstrip().startswith("raise ")
    return bool(raises) and not failure.is_a("NotImplementedError")  # which says that it is not written yet


def _structure(mismatch: Mismatch, call: Call) -> tuple[str, str, str]:
    came, expected = mismatch.came, mismatch.expected
    if call.module and (mine := {*_variable_names(came)}) != (right := {*_variable_names(expected)}):
        if mine - right:
            return (
                f"the module holds variables that the contract does not name: {_listed(sorted(mine - right))}",
                "",
                "Keep nothing on the module but what the contract names; `rngs` is used in `__init__` and not kept.",
            )
        return (
            f"after its calls the module lacks variables of the contract: {_listed(sorted(right - mine))}",
            "",
            "A variable stays one: write its value with `self.name[...] = value`, never `self.name = value`.",
        )
    place, right, mine = first_difference(expected, came)
    if place and part_of(came, "variables") is None:
        return (
            f"in what it returns, {named(place)} is {_words(mine)}; expected {_words(right)}",
            "",
            "Compute with `jax.numpy`, so that `jit` and `grad` can follow." if mine == "NumPy array" else "",
        )
    words = _words(came)
    if came == "None":
        return "it returns None", "", "Is a `return` missing at the end?"
    if came == "tracer":
        return (
            "it returns a tracer, an intermediate value of an earlier traced call that was kept outside the function",
            "",
            "Keep nothing between calls: no globals, no lists to append to.",
        )
    if came == "NumPy array":
        return (
            "it returns a NumPy array; expected a jax.Array",
            "",
            "Compute with `jax.numpy`, so that `jit` and `grad` can follow.",
        )
    if isinstance(came, str) and came.startswith("Python"):
        return f"it returns {words}; expected a jax.Array", "", "A sum or `float(...)` too many? Keep the arrays."
    if isinstance(came, list) and expected == "array":
        return f"it returns {words}; expected one array", "", LIST if came[0] == "list" else "Return the output alone."
    return f"it returns {words}; expected {_words(expected)}", "", ""


def _variable_names(structure) -> list[str]:
    variables = part_of(structure, "variables")
    return [name for name, _ in variables[1]] if isinstance(variables, list) and variables[0] == "dict" else []


def _words(structure) -> str:
    if isinstance(structure, str):
        return {"array": "an array", "key": "a key", "None": "None"}.get(structure, f"a {structure}")
    kind, parts = structure[0], structure[1]
    if kind in WITH_FIELDS:
        return f"a {kind} `{named(parts[0])}` with {_listed([name for name, _ in parts[1]])}"
    names = _listed([name for name, _ in parts]) if kind == "dict" else ""
    return f"a {kind} with {names}" if names else f"a {kind} of {len(parts)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(named, names[:MOST_NAMES])) + ", …" * (len(names) > MOST_NAMES)
