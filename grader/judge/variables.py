"""What a module holds beside what it should hold: the difference as a table, and what to do about it."""

from __future__ import annotations

from grader.course.trees import parts_of, within
from grader.course.verdict import Outcome, cut

LONGEST_NAME = 80  # letters of a name or a shape in a list
MOST_ROWS = 60


def variables_apart(expected, came) -> str:
    """A readable difference between two lists of variables: `-` is missing, `+` is there and should not be, `!`
    differs."""
    right, mine = (
        {name: (cut(kind), tuple(shape), cut(dtype)) for name, kind, shape, dtype, *_ in variables}
        for variables in (expected, came)
    )
    width = min(max(map(len, [*right, *mine]), default=0), LONGEST_NAME)

    def told(variable, other=None):
        kind, shape, dtype = variable
        return cut(
            f"{kind} {shape}" + (f" {dtype}" if dtype != "float32" or other and other[2] != dtype else ""), LONGEST_NAME
        )

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


def advice_on_variables(expected, came) -> str:
    """What to do about the first kind of difference."""
    named = {name for name, *_ in expected}
    if any(kind == "array" and name not in named for name, kind, *_ in came):
        return (
            "An array that is an attribute is state, which `nnx.split` hands out: keep Python numbers "
            "(`math.sqrt(...)`), or compute it in `__call__`."
        )
    return "What counts is the name, kind, shape and dtype; initial values are free unless the contract gives them."


def of_the_contract(expected: Outcome, came: Outcome) -> Outcome:
    """What came, without the variables that the contract does not name: values can be right beside them."""
    if came.failure or expected.failure:
        return came
    structure, kept = _pruned(expected.structure, came.structure, "")
    arrays = [path for path, kind in parts_of(structure) if kind in ("array", "key")]
    return Outcome(structure, {path: came.leaves[place] for path, place in zip(arrays, kept)})


def _pruned(expected, came, path: str) -> tuple[object, list[str]]:
    """The structure that is left, and where its arrays stand in what came."""
    if _has_variables(came) and not _has_variables(expected):
        return _pruned(expected, dict(came[1])["output"], within(path, "output"))
    if isinstance(expected, str) or isinstance(came, str) or not expected[0] == came[0] == "dict":
        return came, [place for place, kind in parts_of(came, path) if kind in ("array", "key")]
    named, parts, kept = dict(expected[1]), [], []
    for name, part in came[1]:
        if name in named or path.rpartition(".")[2] != "variables":
            part, places = _pruned(named.get(name, part), part, within(path, name))
            parts.append([name, part])
            kept += places
    return ["dict", parts], kept


def _has_variables(structure) -> bool:
    return (
        not isinstance(structure, str)
        and structure[0] == "dict"
        and {name for name, _ in structure[1]} == {"output", "variables"}
    )
