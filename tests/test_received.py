"""The call that is shown is the call that is made: a recording implementation in the place of a stub, the reference, a
mistake and what `debug` runs."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys

import jax
import numpy as np
import pytest

from grader.authors.reference import wrong_answer
from grader.course.calls import Call, calls_for, is_float
from grader.course.cases import Given, Mistake
from grader.program import measure
from grader.run.drive import AXIS_OF_ROWS
from grader.run.evaluate import Evaluation
from grader.run.failure import failure_of
from grader.run.transforms import cotangent
from grader.student.script import snippet
from tests import recorder
from tests.conftest import PROBLEMS, ROOT

pytestmark = pytest.mark.thorough

jax.config.update("jax_platforms", "cpu")


def is_plain(call: Call) -> bool:
    """The recorder stands for a function of arrays or a module. What a driver, trees and what a driver defines receive
    is seen in tests/tiny, where each kind has a problem of its own."""
    given = any(isinstance(value, Given) for value in (*call.init.values(), *call.static.values()))
    return not (call.driver or call.trees or given)


EVERY = {
    number: calls
    for number, problem in PROBLEMS.items()
    if (calls := [call for call in calls_for(problem.entries) if is_plain(call)])
}
BATCHED = ("vmap", "traces", "again")  # their arrays hold several draws


def ways(call: Call) -> set:
    """In what a call may differ from another but for its values."""
    return {
        ("how", call.transform, call.module, call.drive),
        ("passed", call.module, call.by_name, bool(call.keyword_only)),
        *(("array", array.dtype.name, array.ndim == 0) for array in call.arrays.values()),
        *(("static", type(value).__name__) for value in call.static.values()),
        *(("more", word) for word in (call.mode, call.raises, call.keys and "keys") if word),
    }


def showing_every_way() -> list[int]:
    """Problems that together show every way of calling there is: what one shows another need not."""
    left, chosen = {number: {way for call in calls for way in ways(call)} for number, calls in EVERY.items()}, []
    while most := max(left, key=lambda number: len(left[number])) if any(left.values()) else None:
        chosen.append(most)
        left = {number: found - left[most] for number, found in left.items()}
    return sorted(chosen)


def typed(array: np.ndarray, double: bool) -> np.ndarray:
    return array.astype(np.float64) if double and array.dtype.kind == "f" else array


def passed(call: Call, arrays: dict, double: bool = False) -> tuple[list, dict]:
    """What the call says that is passed, by position and by name."""
    given = {name: typed(arrays[name], double) if name in arrays else call.static[name] for name in call.order}
    named = {*given} if call.by_name else {*call.keyword_only}
    return [value for name, value in given.items() if name not in named], {
        name: value for name, value in given.items() if name in named
    }


def constructed(call: Call) -> str:
    init = call.init
    told = recorder.how([], init) if call.by_name else recorder.how([*init.values()], {})
    return f"{call.check.entry} {told}"


def line(call: Call, arrays: dict, double: bool = False) -> str:
    """How the call says that it is made, as the recorder tells it."""
    told = recorder.how(*passed(call, arrays, double))
    return f"{constructed(call)} | {told}" if call.module else told


def rows(call: Call, arrays: dict) -> list[dict]:
    """The arrays of each step, or its one row."""
    if not call.steps:
        return [arrays]
    axis = AXIS_OF_ROWS.get(call.drive, 0)
    ends = [*itertools.accumulate(call.steps)]
    return [
        {name: np.take(a, end - size if call.by_row else range(end - size, end), axis) for name, a in arrays.items()}
        for size, end in zip(call.steps, ends)
    ]


def lines_of(call: Call, double: bool = False) -> set[str]:
    """Every way in which the implementation may be called for a call."""
    arrays = {name: a[0] for name, a in call.arrays.items()} if call.transform in BATCHED else call.arrays
    if call.measure and (interpret := measure.interpretation(call)) is not None:
        call = call.with_static(interpret=interpret)
    parts = rows(call, arrays)
    if call.drive == "jax.vmap":
        parts = [{name: a[0] for name, a in part.items()} for part in parts]
    return {line(call, part, double) for part in parts}


def arrays_of(call: Call, part: dict, double: bool) -> dict[str, np.ndarray]:
    args, kwargs = passed(call, part, double)
    given = (
        {str(place): value for place, value in enumerate(args)}
        | kwargs
        | {name: typed(a, double) for name, a in call.params.items()}
    )
    return {name: value for name, value in given.items() if isinstance(value, np.ndarray)}


def expected(call: Call, arrays: dict, double: bool = False) -> dict[str, np.ndarray]:
    """What the recorder gives for these arrays, leaf by leaf; a step after the other."""
    found = {}
    for step, part in enumerate(rows(call, arrays)):
        before = f"[{step}]." if call.steps else ""
        found[f"{before}line"] = np.frombuffer(line(call, part, double).encode(), np.uint8)
        found |= {f"{before}arrays.{name}": a for name, a in arrays_of(call, part, double).items()}
    return found


def expected_gradient(call: Call, double: bool = False) -> dict[str, np.ndarray]:
    """The gradient of the recorder's output for each floating array: a part from the array itself, and one from its
    square."""
    steps: dict[str, list] = {}
    for part in rows(call, call.arrays):
        arrays, given = arrays_of(call, part, double), passed(call, part, double)
        times = recorder.weight(line(call, part, double), [a for a in arrays.values() if not is_float(a)])
        names = dict(zip(map(str, range(len(given[0]))), call.order))
        for name, array in arrays.items():
            if is_float(array):
                steps.setdefault(names.get(name, name), []).append(
                    (1 + times * array.astype(np.float64)) * cotangent(array.shape, call.seed)
                )
    # a scalar has no rows, and comes in one step
    together = np.stack if call.by_row else np.concatenate if call.steps else lambda found: found[0]
    return {name: sum(found) if name in call.params else together(found) for name, found in steps.items()}


def same(came: dict, wanted: dict) -> None:
    """To the last bit; the squares are there for the gradient."""
    came = {leaf: array for leaf, array in came.items() if "squares." not in leaf}
    assert came.keys() == wanted.keys()
    for leaf, array in wanted.items():
        assert came[leaf].dtype == array.dtype and np.array_equal(
            came[leaf].astype(np.float64), array.astype(np.float64), equal_nan=True
        ), leaf


def close(came: dict, wanted: dict) -> None:
    assert came.keys() == wanted.keys()
    for name, array in wanted.items():
        off = 0.05 if came[name].dtype.itemsize == 2 else 1e-4
        np.testing.assert_allclose(came[name].astype(np.float64), array, rtol=off, atol=off, err_msg=name)


def check(call: Call, outcome, double: bool = False) -> None:
    """The outcome shows the values that the call says."""
    kind = call.transform
    assert outcome.failure is None, outcome.failure
    if kind in ("eager", "jit"):
        if call.drive != "jax.vmap":  # there what each sequence gets is seen in the log
            same(outcome.leaves, expected(call, call.arrays, double))
    elif kind == "vmap":
        draws = [
            expected(call, {name: np.asarray(a[draw]) for name, a in call.arrays.items()}, double) for draw in range(3)
        ]
        same(outcome.leaves, {leaf: np.stack([draw[leaf] for draw in draws]) for leaf in draws[0]})
    elif kind == "grad":
        close(outcome.leaves, expected_gradient(call, double))
    elif kind == "again":
        first, second = ({name: np.asarray(a[draw]) for name, a in call.arrays.items()} for draw in (0, 1))
        shared = next(iter(first))
        mixed = {**second, shared: first[shared]} if len(first) > 1 else second
        wanted = {"other": expected(call, mixed, double), "again": expected(call, first, double)}
        same(
            outcome.leaves,
            {
                f"{when}{'' if leaf[0] == '[' else '.'}{leaf}": a
                for when, leaves in wanted.items()
                for leaf, a in leaves.items()
            },
        )


@pytest.fixture(autouse=True)
def parameters():
    """What each module of the course holds, by its name and how it is constructed."""
    recorder.PARAMETERS.clear()
    recorder.PARAMETERS.update(known_parameters(EVERY))


def known_parameters(every) -> dict:
    return {
        constructed(call): {path: (a.shape, a.dtype.name) for path, a in call.params.items()}
        for calls in every.values()
        for call in calls
        if call.module
    }


def evaluated(number: int, find, calls, **options):
    outcomes, log, place = {}, {}, [None]

    def started(stage, *ids):
        log.setdefault(place[0], []).extend(recorder.LOG)
        recorder.LOG.clear()
        place[0] = ids[0]

    recorder.LOG.clear()
    eagerly, double = options.pop("eagerly", True), options.get("double", False)
    with jax.enable_x64(double):
        Evaluation(
            find,
            lambda error: failure_of(error, ""),
            lambda call, outcome: outcomes.__setitem__(call.id, outcome),
            started,
            **options,
        ).run(calls, eagerly=eagerly)
    started("end", -1)
    return outcomes, log


def module_names(number: int) -> set[str]:
    return {call.check.entry for call in EVERY[number] if call.module}


def stub_names(number: int) -> dict:
    modules = module_names(number)
    return {name: recorder.module(name) if name in modules else recorder.function for name in PROBLEMS[number].names}


def compare_all(calls, outcomes, log, double: bool = False) -> None:
    by_id = {call.id: call for call in calls}
    for id, lines in log.items():
        if id in by_id:
            assert {*lines} <= lines_of(by_id[id], double), by_id[id].check
    for call in calls:
        check(call, outcomes[call.id], double)


@pytest.mark.parametrize("number", showing_every_way())
def test_a_stub_receives_what_each_call_says(number):
    """Eager, jit, vmap, grad, traces, state, again, leaks, relations and proofs: the arguments are passed as the call
    has them, none left out, none more."""
    found = stub_names(number)
    calls = EVERY[number]
    outcomes, log = evaluated(number, found.__getitem__, calls)
    compare_all(calls, outcomes, log)
    told = {id for id, lines in log.items() if lines}
    for kind in {call.transform for call in calls} - {"parameters"}:  # each kind was seen to call it
        assert kind in ("jit", "grad", "vmap", "proof") or any(
            call.id in told for call in calls if call.transform == kind
        ), kind


@pytest.mark.parametrize("number", [34, 36, 38])
def test_the_reference_receives_the_same_in_either_precision(number):
    """The answer key is computed from the calls as they are, in float32 and in float64."""
    found = stub_names(number)
    calls = [call for call in EVERY[number] if call.transform in ("eager", "grad", "again")]
    for double in (False, True):
        compare_all(calls, *evaluated(number, found.__getitem__, calls, double=double, eagerly=False), double=double)


@pytest.mark.parametrize("number", [34, 36])
def test_a_mistake_receives_the_same(number):
    """A mistake that only passes on what it gets is called as the reference is."""
    modules, found = module_names(number), stub_names(number)
    wrong = {
        name: wrong_answer(
            Mistake(
                "same",
                name,
                "",
                (lambda ref: ref) if name in modules else (lambda ref, *args, **kwargs: ref(*args, **kwargs)),
            ),
            found[name],
            name not in modules,
        )
        for name in found
    }
    calls = [call for call in EVERY[number] if call.transform in ("eager", "jit")]
    compare_all(calls, *evaluated(number, wrong.__getitem__, calls))


def stub_text(number: int) -> str:
    modules = module_names(number)
    made = {name: f"module({name!r})" if name in modules else "function" for name in PROBLEMS[number].names}
    names = "".join(f"{name} = {what}\n" for name, what in made.items())
    return (
        ROOT / "tests/recorder.py"
    ).read_text() + f"\nPARAMETERS.update({known_parameters({number: EVERY[number]})!r})\n{names}"


@pytest.mark.parametrize("number", [34, 36])
def test_a_students_file_receives_the_same_in_a_worker(number, tmp_path):
    """What crosses the wire is the call, whole."""
    from grader.judge.attempt import listen
    from grader.judge.grade import Run, ask, start_worker
    from grader.process.stub import open_stub

    path = tmp_path / "stub.py"
    path.write_text(stub_text(number))
    stub, worker = open_stub(PROBLEMS[number], path), start_worker(PROBLEMS[number])
    calls = [call for call in EVERY[number] if call.transform in ("eager", "jit", "vmap", "grad", "again")]
    ask(Run(PROBLEMS[number], stub, worker, calls, calls))
    attempt = listen(worker, stub.source, calls, last=True)
    for call in calls:
        check(call, attempt.outcomes[call.id])


SHOWN = "\nimport atexit, sys\natexit.register(lambda: sys.stderr.write('\\n'.join(dict.fromkeys(LOG))))\n"


@pytest.mark.parametrize(
    "number, case, kind",
    [
        (34, "holes", "eager"),
        (34, "several heads, and no mask given", "grad"),
        (34, "large logits, those of padded keys hundreds above the others", "grad"),
        (34, "as many sequences as places", "vmap"),
        (35, "large logits", "jit"),
        (36, "in chunks", "eager"),
        (36, "in steps of jax.jit, the state passed along", "eager"),
        (40, "one block", "jit"),
    ],
)
def test_debug_makes_the_same_call(number, case, kind, tmp_path):
    """The script that `debug` writes passes the case's arguments as a verdict does."""
    path = tmp_path / "stub.py"
    path.write_text(stub_text(number) + SHOWN)
    call = next(call for call in EVERY[number] if call.transform == kind and call.check.case == case)
    script = tmp_path / "script.py"
    script.write_text(snippet(call, path, number))
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", script],
        capture_output=True,
        text=True,
        env={"JAX_PLATFORMS": "cpu", "PATH": ""},
    )
    assert {told for told in ran.stderr.splitlines() if told in lines_of(call) or "32 (" in told} == lines_of(call), (
        ran.stderr
    )


def test_calls_that_differ_in_anything_are_of_different_forms():
    """Whatever field a call has or gains, another value of it is another form: the arrays, the place and what is asked
    apart."""
    call = next(call for call in EVERY[34] if call.transform == "eager" and call.static.get("mask", 0) is None)
    apart = {"id", "check", "variant", "seed", "given", "raises", "drawn", "params", "arrays", "measure"}
    for field in dataclasses.fields(Call):
        changed = dataclasses.replace(
            call, **{field.name: object() if field.name != "check" else dataclasses.replace(call.check, case="another")}
        )
        assert (changed.form_key == call.form_key) == (field.name in apart), field.name


@pytest.mark.parametrize(
    "number, entry", [(34, "bidirectional_attention"), (34, "causal_attention"), (35, "CrossAttention")]
)
def test_who_ignores_the_mask_fails_in_every_case_that_hides_something(number, entry, attempt):
    """The reference without its mask gets ✗ wherever a mask hides a key, under each transform, and in the
    properties."""
    source = (PROBLEMS[number].solutions / "reference.py").read_text()
    ignoring = (
        f"\n_right = {entry}\ndef {entry}(q, k, v, num_heads, mask=None):\n    return _right(q, k, v, num_heads)\n"
        if number == 34
        else f"\n_call = {entry}.__call__\n{entry}.__call__ = lambda self, x, context, context_mask=None: _call(self, "
        f"x, context)\n"
    )
    verdict = attempt(source + ignoring, number, mistakes=False)
    findings = next(one for one in verdict.entries if one.name == entry).findings
    hiding = {
        call.check
        for call in EVERY[number]
        if call.check.entry == entry
        and call.transform in ("eager", "jit", "vmap", "grad")
        and call.check.case != "nothing later is seen"
        for mask in [call.arrays.get("mask", call.arrays.get("context_mask"))]
        if mask is not None and not mask.all()
    }
    assert hiding and {finding.check for finding in findings if finding.status.value == "failed"} >= hiding
