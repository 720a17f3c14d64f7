"""Sentences for the student: the rule, what came, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from grader.course.calls import Call
from grader.course.trees import WITH_FIELDS, first_difference
from grader.course.verdict import Difference, cut, named
from grader.judge.raised import explain_failure
from grader.key.compare import Mismatch
from grader.process.child import Ended

RETRACED = "What changes from call to call must be an array, not a Python value: a counter kept on the module or in a global forces a new trace."
LIST = "Return one array: `jnp.array` makes one of nested lists, `jnp.stack` of arrays. What is not the output is not returned."
LONGEST_NAME = 80                               # letters of a name or a shape in a list
MOST_NAMES, MOST_ROWS = 12, 60                  # of what is listed


def explain_ended(ended: Ended) -> tuple[str, str]:
    """A sentence about a worker that did not come back."""
    where = f"line {ended.line}" if ended.line else "it"
    if ended.how == "timeout":
        return f"{where} was still running after {ended.detail} without a result, and was stopped", "Look for a loop whose condition never becomes false, or for something that waits."
    if ended.how == "starved":
        return f"this machine had too little time for it: {ended.detail}", "This is no fault of the file. Run it again when less else is running."
    if ended.how == "memory":
        return f"{where} took more memory than the grader gives, and the process was ended", "Look for an array whose shape is a product of values, or a list that grows without end."
    if ended.how == "results":
        return f"it gave back more than {ended.detail} in all", "The cases are small: look for an array whose shape is a product of sizes."
    if ended.how == "flood":
        return f"it printed {ended.detail} and went on, and was stopped", "Look for a `print` in a loop that does not end."
    if ended.how == "forged":
        return "it wrote something of its own into the channel that carries the outcomes", "Leave file descriptors alone; to show a value, use `print`."
    if ended.how == "signal":
        return f"{where} crashed the Python process ({ended.detail})", "Only native code crashes like this: look at calls through ctypes, or at buffers that were freed."
    return f"{where} ended the Python process (exit code {ended.detail})", "Leave a function with `return`, not with `os._exit()`."


def explain_mismatch(mismatch: Mismatch, call: Call, returns: str = "") -> tuple[str, str, str]:
    """A sentence, more lines, and advice for an outcome that is not the expected one."""
    kind = call.check.kind
    if kind in ("parameters", "state") and mismatch.way == "structure" and mismatch.came[0] == "variables":
        after = "after its calls " if kind == "state" else ""
        return f"{after}the module does not hold the variables of the contract", _variables(mismatch.expected[1], mismatch.came[1]), \
            _advice_on_variables(mismatch.expected[1], mismatch.came[1])
    if mismatch.way == "failure":
        if mismatch.expected and (not mismatch.came or mismatch.came.type == "ParameterMismatch"):
            return f"{mismatch.expected.type} was expected, and nothing was raised", "", f"The contract asks for `raise {mismatch.expected.type}(...)` here."
        summary, advice = explain_failure(mismatch.came, kind, call.static)
        if call.by_name and not mismatch.came.lines and "in_axes" in mismatch.came.message:
            advice = advice or "This case passes its arguments by name, as a caller may. A bare `jax.vmap(..., in_axes=(...))` takes them by position only: call it inside a `def`."
        if mismatch.expected:
            summary = f"{mismatch.expected.type} was expected; instead {summary}"
        return summary, "", advice
    if mismatch.way == "structure" and kind == "traces" and (change := _part(mismatch.came, "change")) and change[0] == "change":
        return f"the step was traced again for inputs of the same shapes{_changed(*change[1])}", "", RETRACED
    if mismatch.way == "structure":
        return (*_structure(mismatch, call), )
    subject = _subject(mismatch.leaf, kind)
    if mismatch.way == "shape":
        expected, came = mismatch.expected, mismatch.came
        named = f", that is `{returns}`" if returns and kind in ("eager", "jit") and not mismatch.leaf else ""
        return f"{subject} has shape {came}; expected {expected}{named}", "", ""
    if mismatch.way == "dtype":
        return f"{subject} has dtype {mismatch.came}; expected {mismatch.expected}", "", \
            "A mask is boolean; True means: may attend." if mismatch.expected == "bool" else "The output has the input's dtype." if call.arrays else ""
    difference = mismatch.difference
    if kind == "leaks":
        return "an intermediate value outlives the call: the file keeps a tracer in a global, a list or an attribute", "", \
            "Keep nothing between calls. To look at a value, use `jax.debug.print`, or return it."
    if kind == "traces" and mismatch.leaf == "traces":
        return f"the body was traced {int(difference.came)} times for two calls with the same shapes; once is enough", "", RETRACED
    if kind == "again":
        when = "called again with the very same arrays, it gives another answer" if mismatch.leaf.startswith("again") else \
            "called with the same first array and other values in the rest, it gives an answer that is not theirs" if len(call.arrays) > 1 else \
            "called with other values in the same shape, it gives an answer that is not theirs"
        return when + off_by(difference), "", "Keep nothing between calls: the output follows from the arguments alone."
    count, total = int(difference.wrong.sum()), difference.wrong.size
    driven = f"Here the steps are taken by {call.drive}: what the module remembers has to be in its nnx variables, not in Python values." if call.drive != "by hand" else ""
    if mismatch.way == "nan":
        came = difference.came.astype("float64")[difference.wrong]
        nan, infinite = np.isnan(came), np.isinf(came)
        what = "NaN or infinite" if nan.any() and infinite.any() else "NaN" if nan.any() else "infinite"
        bad = int((nan | infinite).sum())
        return f"{bad} of {total} values of {subject} {'is' if bad == 1 else 'are'} {what}", "", driven
    if difference.expected.dtype.kind == "b":
        return f"{count} of {total} values of {subject} {'differs' if count == 1 else 'differ'}", "", ""
    return f"{count} of {total} values of {subject} {'differs' if count == 1 else 'differ'}{off_by(difference)}", "", driven


def off_by(difference: Difference) -> str:
    """How far off the values are, as a part of the sentence; nothing where that has no size."""
    allowed = f" (allowed: {difference.allowed:.1g})" if difference.allowed else ""
    return f", by up to {difference.largest:.2g}{allowed}" if difference.largest else ""


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


def _structure(mismatch: Mismatch, call: Call) -> tuple[str, str, str]:
    came, expected = mismatch.came, mismatch.expected
    if call.module and (mine := {*_variable_names(came)}) != (right := {*_variable_names(expected)}):
        if mine - right:
            return f"the module holds variables that the contract does not name: {_listed(sorted(mine - right))}", "", \
                "Keep nothing on the module but what the contract names; `rngs` is used in `__init__` and not kept."
        return f"after its calls the module lacks variables of the contract: {_listed(sorted(right - mine))}", "", \
            "A variable stays one: write its value with `self.name[...] = value`, never `self.name = value`."
    place, right, mine = first_difference(expected, came)
    if place and _part(came, "variables") is None:
        return f"in what it returns, {named(place)} is {_words(mine)}; expected {_words(right)}", "", \
            "Compute with `jax.numpy`, so that `jit` and `grad` can follow." if mine == "NumPy array" else ""
    words = _words(came)
    if came == "None":
        return "it returns None", "", "Is a `return` missing at the end?"
    if came == "tracer":
        return "it returns a tracer, an intermediate value of an earlier traced call that was kept outside the function", "", \
            "Keep nothing between calls: no globals, no lists to append to."
    if came == "NumPy array":
        return "it returns a NumPy array; expected a jax.Array", "", "Compute with `jax.numpy`, so that `jit` and `grad` can follow."
    if isinstance(came, str) and came.startswith("Python"):
        return f"it returns {words}; expected a jax.Array", "", "A sum or `float(...)` too many? Keep the arrays."
    if isinstance(came, list) and expected == "array":
        return f"it returns {words}; expected one array", "", LIST if came[0] == "list" else "Return the output alone."
    return f"it returns {words}; expected {_words(expected)}", "", ""


def _part(structure, name: str):
    """The part of a dict's structure under a name, or None."""
    return next((part for key, part in structure[1] if key == name), None) if isinstance(structure, list) and structure[0] == "dict" else None


def _variable_names(structure) -> list[str]:
    variables = _part(structure, "variables")
    return [name for name, _ in variables[1]] if isinstance(variables, list) and variables[0] == "dict" else []


def _words(structure) -> str:
    if isinstance(structure, str):
        return {"array": "an array", "key": "a key", "None": "None"}.get(structure, f"a {structure}")
    kind, parts = structure[0], structure[1]
    if kind in WITH_FIELDS:
        return f"a {kind} `{named(parts[0])}` with {_listed([name for name, _ in parts[1]])}"
    names = _listed([name for name, _ in parts]) if kind == "dict" else ""
    return f"a {kind} with {names}" if names else f"a {kind} of {len(parts)}"


def _advice_on_variables(expected, came) -> str:
    """What to do about the first kind of difference."""
    named = {name for name, *_ in expected}
    if any(kind == "array" and name not in named for name, kind, *_ in came):
        return "An array that is an attribute is state, which `nnx.split` hands out: keep Python numbers (`math.sqrt(...)`), or compute it in `__call__`."
    return "What counts is the name, kind, shape and dtype; initial values are free unless the contract gives them."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(named, names[:MOST_NAMES])) + ", …" * (len(names) > MOST_NAMES)


def _changed(name: str, before: str, now: str) -> str:
    """What a second trace found otherwise, as the end of a sentence. The values are the file's own."""
    def told(value: str, missing: str) -> str:
        return f"`{cut(value.replace('`', chr(39)), 60)}`" if value else missing

    return f": {told(name, '')} is {told(now, 'gone')} in the second trace and was {told(before, 'not there')} in the first" if name else ""


def _variables(expected, came) -> str:
    """A readable difference between two lists of variables: `-` is missing, `+` is there and should not be, `!` differs."""
    right, mine = ({name: (cut(kind), tuple(shape), cut(dtype)) for name, kind, shape, dtype, *_ in variables} for variables in (expected, came))
    width = min(max(map(len, [*right, *mine]), default=0), LONGEST_NAME)

    def told(variable, other=None):
        kind, shape, dtype = variable
        return cut(f"{kind} {shape}" + (f" {dtype}" if dtype != "float32" or other and other[2] != dtype else ""), LONGEST_NAME)

    rows = []
    for name in sorted({*right, *mine}):
        shown = f"{cut(name, LONGEST_NAME):<{width}}"
        if name not in mine:
            rows.append(f"- {shown}  {told(right[name])} is missing")
        elif name not in right:
            rows.append(f"+ {shown}  {told(mine[name])} is not in the contract")
        elif right[name] != mine[name]:
            rows.append(f"! {shown}  {told(mine[name], right[name])}, expected {told(right[name], mine[name])}")
    return "\n".join([*rows[:MOST_ROWS], *([f"… and {len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else [])])
