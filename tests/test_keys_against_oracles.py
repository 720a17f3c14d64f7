"""Each answer of each key against a second source: an oracle in `tests/oracles`, which shares nothing with a reference.

`test_oracles.py` compares the references as functions with the same definitions, at sizes that hypothesis draws. Here
it is the keys: every call of every case with the inputs that `checks.py` draws, and what grading takes for right.
"""

from __future__ import annotations

import ast
import dataclasses
import re

import ml_dtypes
import numpy as np
import pytest

from grader.course.calls import DRAWS, Call, calls_for, is_float
from grader.course.cases import CLAIM_KINDS
from grader.course.problem import Problem, load
from grader.course.verdict import Failure, Outcome
from grader.key.answers import Answers
from grader.key.compare import DRAWN
from grader.key.key import Answer
from grader.run.transforms import cotangent
from tests.conftest import EACH, PROBLEMS, ROOT
from tests.oracles import Refused

pytestmark = pytest.mark.thorough

ORACLES = ROOT / "tests" / "oracles"
SHARE = 1 / 2  # of the allowed error: a key is exact but for a rounding, and the rest is for answers

# Gradients are measured. The step is far above a rounding of float64 and far below what bends the output, so that the
# difference is off by some 1e-9; by more where scores are in the hundreds, and there the allowed error is far larger.
STEP = 2.0**-17
LARGE = 1200  # numbers in a call's inputs
DIRECTIONS, FEW = 24, 4  # in which the gradient for an array is measured, and for each of a LARGE call
ROWS = 64  # that are tried one by one, to see whether anything reads them


def oracle_of(problem: Problem):
    """The oracle of a problem, by the name of its folder."""
    path = ORACLES / f"{problem.name}.py"
    oracle = load(path, f"oracle_{problem.number}") if path.exists() else None
    missing = [name for name in problem.names if not hasattr(oracle, name)]
    assert not missing, (
        f"{problem.name} has no second source for {', '.join(missing)}. Write tests/oracles/{path.name}: "
        "what these must give by their definition, in float64 NumPy. tests/oracles/__init__.py says how."
    )
    return oracle


# What each kind of call must give by the oracle: its leaves by path


def value(oracle, call: Call, draw: int | None = None, **changed) -> dict[str, np.ndarray]:
    """What one plain call gives at the call's inputs, of which some may be `changed`."""

    def given(group, draw):
        return {name: changed.get(name, exact(array if draw is None else array[draw])) for name, array in group.items()}

    params, arrays = given(call.params, None), given(call.arrays, draw)
    if not call.module:
        return dict(leaves(named(oracle, call)(**call.arguments(arrays))))
    steps = {"steps": call.steps} if call.steps else {}
    return dict(leaves(named(oracle, call)(**call.init)(params, **call.arguments(arrays), **steps)))


def named(oracle, call: Call):
    """What the student writes, or what the problem's driver does with it."""
    return getattr(oracle, call.driver or call.check.entry)


def exact(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if is_float(array) else array


def leaves(tree, path: str = ""):
    """The arrays of nested containers, by the paths that the grader gives them."""
    if isinstance(tree, dict):
        for name, part in tree.items():
            yield from leaves(part, f"{path}.{name}" if path and not str(name).startswith("[") else f"{path}{name}")
    elif isinstance(tree, (list, tuple)):
        for number, part in enumerate(tree):
            yield from leaves(part, f"{path}[{number}]")
    else:
        yield path, np.asarray(tree)


def stacked(oracle, call: Call):
    draws = [value(oracle, call, draw) for draw in range(DRAWS)]
    return {leaf: np.stack([one[leaf] for one in draws]) for leaf in draws[0]}


def inputs(oracle, call: Call):
    """A gradient has the form of what it is for, where there is an output; its values are measured."""
    value(oracle, call)
    return smooth(call)


def again(oracle, call: Call):
    """The second draw, with the first one's first array where there are several; then the first draw once more."""
    first = next(iter(call.arrays))
    kept = {first: exact(call.arrays[first][0])} if len(call.arrays) > 1 else {}
    first_draw = whole(value(oracle, call, 0))
    before = {"before": first_draw} if call.keys else {}
    return dict(leaves({"other": whole(value(oracle, call, 1, **kept)), "again": first_draw, **before}))


def traces(oracle, call: Call):
    """A module also shows what the last of its calls gave: that with the second draw."""
    output = {"output": whole(value(oracle, call, 1))} if call.module else {}
    return dict(leaves({**output, "traces": np.int32(1)}))


def whole(found: dict[str, np.ndarray]):
    """One array as it is; several under their paths."""
    return found[""] if [*found] == [""] else found


def leaks(oracle, call: Call):
    return {"leaked": np.int32(0)}


def initial(oracle, call: Call):
    """Of a module's variables the values that the contract gives."""
    return dict(leaves(getattr(named(oracle, call)(**call.init), "initial", {})))


def nothing(oracle, call: Call):
    return {}


MUST_GIVE = {
    "eager": value,
    "jit": value,
    "vmap": stacked,
    "grad": inputs,
    "again": again,
    "traces": traces,
    "leaks": leaks,
    "parameters": initial,
    "state": nothing,
}


def smooth(call: Call) -> dict[str, np.ndarray]:
    """What `grad` takes the gradient for."""
    return {name: array for name, array in {**call.params, **call.arrays}.items() if is_float(array)}


def product(oracle, call: Call, **changed) -> float:
    """What `grad` takes the gradient of: the output's floating leaves times the cotangent, rounded to their dtype."""
    found = {leaf: array for leaf, array in value(oracle, call, **changed).items() if is_float(array)}
    return sum(
        (array * exact(cotangent(array.shape, call.seed).astype(dtype_of(oracle, call, leaf)))).sum()
        for leaf, array in found.items()
    )


def directions(array: np.ndarray, count: int):
    """Directions of +1 and -1 in which each entry moves once: one entry each where `count` are enough, else several.

    An entry so large that it would not notice the step moves further.
    """
    rng = np.random.default_rng(array.size)
    signs = rng.choice([-1.0, 1.0], array.size) * np.maximum(1.0, np.abs(array.ravel()) * 2.0**-20)
    for part in np.array_split(rng.permutation(array.size), min(count, array.size)):
        direction = np.zeros(array.size)
        direction[part] = signs[part]
        yield direction.reshape(array.shape)


def slope(oracle, call: Call, name: str, direction: np.ndarray) -> float:
    """The central difference along a direction."""
    array = exact(smooth(call)[name])
    up, down = (product(oracle, call, **{name: array + side * STEP * direction}) for side in (1, -1))
    return (up - down) / (2 * STEP)


def unread(oracle, call: Call, name: str) -> np.ndarray:
    """The rows of an input that reach no output: those in whose place the oracle takes NaN."""
    array = exact(call.arrays[name])
    found = np.zeros(array.shape[:-1], bool)
    for row in np.ndindex(found.shape):
        changed = array.copy()
        changed[row] = np.nan
        found[row] = np.isfinite(product(oracle, call, **{name: changed}))
    return found


# The comparison


def compared(oracle, call: Call, answer: Answer):
    """What a key says of a call, beside what the oracle says: what it is about, how far they are apart, and may be."""
    assert call.check.kind in MUST_GIVE, f"no oracle knows what {call.check.kind!r} must give: MUST_GIVE has to say it"
    try:
        expected = MUST_GIVE[call.check.kind](oracle, call)
    except Refused:
        expected = Refused
    right, came = form(oracle, call, expected), form_of(answer.outcome)
    if right != came:
        yield f"{came} in the place of {right}", np.inf, 0.0
    elif expected is not Refused:
        for leaf, array in expected.items():
            if (allowed := answer.allowed.get(leaf, 0.0)) is DRAWN:
                continue
            mine, share = answer.outcome.leaves[leaf].astype(np.float64), SHARE * allowed
            if call.check.kind == "grad":
                yield from compared_gradient(oracle, call, leaf, mine, share)
            else:
                yield leaf or "the output", distance(mine, array), share
                yield f"{leaf or 'the output'} where it is nothing", distance(mine[array == 0], 0.0), 0.0


def compared_gradient(oracle, call: Call, name: str, came: np.ndarray, share: float):
    """The gradient for one input.

    A direction may be off by as much as an entry, beyond the roundings of the key's entries that it adds up: four times
    their standard deviation, as they are independent.
    """
    array, size = smooth(call)[name], sum(array.size for array in smooth(call).values())
    deviation = float(ml_dtypes.finfo(array.dtype).eps) / np.sqrt(12)
    apart, rounding = [], []
    for direction in directions(exact(array), DIRECTIONS if size <= LARGE else FEW):
        apart.append(abs((came * direction).sum() - slope(oracle, call, name, direction)))
        rounding.append(4 * deviation * np.linalg.norm(came * direction))
    yield name, distance(np.maximum(apart, rounding), rounding), share
    if name in call.arrays and array.ndim and came[..., 0].size <= ROWS:
        yield f"{name} where nothing reads it", distance(came[unread(oracle, call, name)], 0.0), 0.0


def form(oracle, call: Call, expected):
    """All but the numbers: an error, or shapes and dtypes, of what a module holds and of what is given. What the oracle
    computes in float64 has the dtype of the inputs, or the one that the oracle names (see `dtype_of`)."""
    if expected is Refused:
        return "ValueError"
    held = sorted(named(oracle, call)(**call.init).variables) if call.check.kind in ("parameters", "state") else []
    return held, {
        leaf: (array.shape, (dtype_of(oracle, call, leaf) if array.dtype == np.float64 else array.dtype).name)
        for leaf, array in expected.items()
    }


def form_of(outcome: Outcome):
    if outcome.failure:
        return "ValueError" if outcome.failure.is_a("ValueError") else outcome.failure.type
    table = outcome.structure[1] if outcome.structure[0] == "variables" else []
    held = [(name, kind, tuple(shape), dtype) for name, kind, shape, dtype, *_ in table]
    return held, {leaf: (array.shape, array.dtype.name) for leaf, array in outcome.leaves.items()}


def dtype_of(oracle, call: Call, leaf: str) -> np.dtype:
    """That of the inputs, float32 where no input is a floating number. An oracle that names another has a `dtype`: one
    for all that it gives, or a mapping of its parts, each to a dtype or to the input that it has the dtype of."""
    told = getattr(named(oracle, call), "dtype", None)
    if isinstance(told, dict):
        told = told.get(re.sub(r"^(output|other|again|before)\.?", "", leaf))
    if told is not None:
        return call.arrays[told].dtype if isinstance(told, str) else told
    return next((array.dtype for array in smooth(call).values()), np.dtype(np.float32))


def distance(came, right) -> float:
    """The largest distance of two arrays of numbers; inf when one of them has a number that is not finite, and the
    other not the same infinity."""
    came, right = np.asarray(came, np.float64), np.asarray(right, np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where((came == right) & np.isinf(came), 0.0, np.abs(came - right))
    return float(apart.max(initial=0.0)) if np.isfinite(apart).all() else np.inf


def disagreements(problem: Problem, calls: list[Call], key: dict[int, Answer]) -> dict[int, list[str]]:
    """What key and oracle do not agree about, by the ids of the calls."""
    oracle, found = oracle_of(problem), {}
    for call in calls:
        for what, apart, allowed in compared(oracle, call, key[call.id]) if call.id in key else ():
            if apart > allowed:
                told = f"{call.check.entry} · {call.check.kind} · {call.check.case} · {what}"
                found.setdefault(call.id, []).append(f"{told}: {apart:.3g} apart, {allowed:.3g} allowed")
    return found


@pytest.fixture
def key_of(once):
    """The calls of a problem and its key, which one test computes for all."""

    def found(number: int):
        problem = PROBLEMS[number]
        calls = calls_for(problem.entries)

        def answers(path=None):
            with Answers(problem, calls) as answers:
                return answers.expected()

        once(f"{problem.name}.key", answers)
        return problem, calls, answers()

    return found


@pytest.mark.parametrize("number", EACH)
def test_every_answer_is_what_the_definition_gives(number, key_of):
    """Values, gradients, variables and errors are the oracle's. Only claims and a property's changed calls lack one."""
    problem, calls, key = key_of(number)
    answered = {call.id for call in calls if not call.variant and call.check.kind not in CLAIM_KINDS}
    assert key.keys() == answered
    assert disagreements(problem, calls, key) == {}


WITH_DISTRIBUTIONS = [41, 46, 51, 59, 60]


def drawn_by_an_oracle(function, arguments, rng, count: int):
    """What is drawn `count` times, the same where all places share their luck, and the probabilities at each place.

    An oracle gives the `probabilities` of each place by itself, or, where one depends on another, their `joint` ones,
    with an axis for each place; or it draws `patterns` itself, of True and False or of numbers and 0, each place with
    its probability.
    """
    if hasattr(function, "patterns"):
        drawn, together = (function.patterns(rng, count, together, **arguments) for together in (False, True))
        return drawn, together, function.probabilities(**arguments)
    if hasattr(function, "joint"):
        joint = function.joint(**arguments)
        drawn = np.stack(np.unravel_index(rng.choice(joint.size, count, p=joint.ravel()), joint.shape), axis=-1)
        places = range(joint.ndim)
        right = np.stack([joint.sum(tuple({*places} - {place})) for place in places])
        return drawn, drawn[:, :1].repeat(joint.ndim, axis=1), right
    right = function.probabilities(**arguments)
    sums, numbers = np.cumsum(right, axis=-1), rng.random((count, *right.shape[:-1], 1))
    return *((sums < some).sum(axis=-1) for some in (numbers, np.full_like(numbers, numbers.flat[0]))), right


def wrong_ones(drawn, right):
    """What is drawn, otherwise: True where False was, 0 where a number was and twice the numbers, or the next index."""
    if drawn.dtype == bool:
        return [~drawn]
    return [drawn.max(axis=0) - drawn, 2 * drawn] if drawn.dtype.kind == "f" else [(drawn + 1) % right.shape[-1]]


@pytest.mark.parametrize("number", WITH_DISTRIBUTIONS)
def test_claims_about_draws_hold_of_the_exact_distribution(number):
    """What NumPy draws with the oracle's probabilities has all that is claimed of draws, and is told of the wrong
    ones; where the probabilities themselves are claimed they are the oracle's."""
    problem = PROBLEMS[number]
    oracle, rng = oracle_of(problem), np.random.default_rng(0)
    entries, claimed = {entry.name: entry for entry in problem.entries}, 0
    for call in calls_for(problem.entries):
        if call.check.kind != "draws":
            continue
        statistic = entries[call.check.entry].frequencies[call.check.case]
        arguments = call.arguments({name: exact(array) for name, array in call.arrays.items()})
        arguments.pop("key")
        drawn, together, right = drawn_by_an_oracle(named(oracle, call), arguments, rng, statistic.draws)
        assert statistic.broken(call.known, drawn) is None, call.check
        assert any(statistic.broken(call.known, wrong) for wrong in (*wrong_ones(drawn, right), together)), call.check
        mean = np.asarray(statistic.expected(call.known)[0])
        if mean.shape == right.shape:
            assert distance(mean, right) < 1e-12
            claimed += 1
    assert claimed


# It can fail


def off(answer: Answer, change) -> Answer:
    """With the number in the middle of each array changed by `change(number, allowed error)`."""
    arrays = {leaf: array.copy() for leaf, array in answer.outcome.leaves.items()}
    for leaf, array in arrays.items():
        array.flat[array.size // 2] = change(array.flat[array.size // 2], answer.allowed.get(leaf, 0.0))
    return dataclasses.replace(answer, outcome=Outcome(answer.outcome.structure, arrays))


WRONG = {
    "wrong by twice what is allowed": lambda number, allowed: number + (2 * allowed or 1),
    "NaN": lambda number, allowed: np.nan if allowed else number + 1,
}


@pytest.mark.parametrize("number", [31, 36])
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_one_wrong_number_is_noticed(number, change, key_of):
    """In the middle of every array of every answer, gradients too."""
    problem, calls, key = key_of(number)
    key = {id: off(answer, change) for id, answer in key.items() if answer.outcome.leaves}
    found = disagreements(problem, calls, key)
    for call in calls:
        if call.id in key:
            told = {line.split(" · ")[3].split(":")[0] for line in found[call.id]}
            assert told >= {leaf or "the output" for leaf in key[call.id].outcome.leaves}, call.check


@pytest.mark.parametrize("other", [np.ones_like, np.logical_not])
def test_a_mask_that_was_not_looked_at_is_noticed(other, key_of):
    """Wherever problem 34 has a mask that hides something, and the answer is that of no mask, or of its opposite."""
    problem, calls, key = key_of(34)
    hiding = [
        dataclasses.replace(call, arrays=call.arrays | dict(mask=other(call.arrays["mask"])))
        for call in calls
        if call.id in key and call.check.kind == "eager" and not call.arrays.get("mask", np.array(True)).all()
    ]
    assert len(hiding) >= 14 and disagreements(problem, hiding, key).keys() == {call.id for call in hiding}


def test_an_error_that_the_contract_does_not_ask_for_is_noticed(key_of):
    """ValueError is right in the one case of problem 32 that asks for it; another error, or none, is wrong there."""
    problem, calls, key = key_of(32)
    asked = {call.id for call in calls if call.check.case == "a width that the heads do not divide"}
    for type_, right in (("ValueError", asked), ("TypeError", set())):
        failing = dict.fromkeys(key, Answer(Outcome(failure=Failure(type_)), {}))
        assert disagreements(problem, calls, failing).keys() == key.keys() - right
    assert disagreements(problem, calls, dict.fromkeys(asked, next(iter(key.values())))).keys() == asked


def test_a_gradient_where_nothing_is_read_is_noticed(key_of):
    """However small it is: what stands at a padded key has a gradient of exactly 0, and so has a query without keys."""
    problem, calls, key = key_of(34)
    call = next(call for call in calls if call.check.kind == "grad" and call.check.case == "a sequence of length 0")
    outcome = key[call.id].outcome
    arrays = {leaf: np.where(array == 0, np.float32(1e-30), array) for leaf, array in outcome.leaves.items()}
    leaking = dataclasses.replace(key[call.id], outcome=Outcome(outcome.structure, arrays))
    found = [what for what, apart, allowed in compared(oracle_of(problem), call, leaking) if apart > allowed]
    assert found == [f"{name} where nothing reads it" for name in "qkv"]


@pytest.mark.parametrize("name, missing", [("41_rope", "rope, rotated"), ("31_sdpa", "other")])
def test_a_problem_without_an_oracle_is_told_what_to_write(tmp_path, name, missing):
    """The sentence names the file and the names that it lacks, whether there is a file already or not."""
    problem = Problem(int(name[:2]), name[3:], tmp_path / name, None)
    problem.folder.mkdir()
    problem.pristine.write_text("".join(f"def {one}(x): ...\n" for one in missing.split(", ")))
    with pytest.raises(AssertionError) as caught:
        oracle_of(problem)
    assert f"{name} has no second source for {missing}. Write tests/oracles/{name}.py: " in str(caught.value)


SHARED = {"numpy", "ml_dtypes", "functools", "itertools", "math", "tests.oracles", "tests.oracles.attention"}


@pytest.mark.parametrize("path", sorted(ORACLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_oracle_shares_nothing_with_what_it_is_compared_with(path):
    """It imports NumPy and what other oracles define: no JAX, no reference, nothing of the grader."""
    nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert imported | {node.module for node in nodes if isinstance(node, ast.ImportFrom)} <= SHARED
