"""The harness: one implementation, many calls, each with an outcome of its own, whichever way it is compiled."""

from __future__ import annotations

import dataclasses
import gc
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from grader.course import Frequencies, Key
from grader.course.calls import DRAWS, Call, calls_for
from grader.course.cases import Case, Function, Module, ModuleInputs
from grader.course.verdict import Check, Outcome
from grader.key.compare import compare
from grader.run import evaluate
from grader.run.evaluate import Evaluation, Exhausted, describe
from grader.run.failure import failure_of
from grader.run.transforms import cotangent
from tests.conftest import ROOT

jax.config.update("jax_platforms", "cpu")


def inputs(rng, rows=2, width=3, power=2, same=False):
    x, y = rng.standard_normal((2, rows, width)).astype(np.float32)
    return dict(x=x, y=x if same else y, power=power)


def entry(*under, **cases) -> Function:
    return Function(
        "f",
        inputs,
        cases={name: Case(**sizes, **(dict(under=under) if under else {})) for name, sizes in cases.items()},
    )


LADDER = entry(small=dict(rows=1), wide=dict(rows=2, width=5), cubed=dict(rows=4, power=3))


def weighted(x, y, power):
    return jax.nn.softmax(x @ y.T, axis=-1) @ y**power


def evaluated(implementation, calls, **options) -> dict[int, Outcome]:
    """The outcome of each call, by its id; no call may have two."""
    outcomes: dict[int, Outcome] = {}

    def emit(call, outcome):
        assert call.id not in outcomes
        outcomes[call.id] = outcome

    eagerly = options.pop("eagerly", True)
    Evaluation(lambda name: implementation, lambda error: failure_of(error, __file__), emit, **options).run(
        calls, eagerly=eagerly
    )
    return outcomes


def by_place(calls, outcomes) -> dict[tuple[str, str], Outcome]:
    return {(call.transform, call.check.case): outcomes[call.id] for call in calls}


@pytest.fixture(scope="module")
def calls():
    return calls_for([LADDER])


@pytest.fixture(scope="module")
def together(calls):
    """The whole ladder, evaluated at once."""
    return evaluated(weighted, calls)


def direct(call: Call):
    """The same by calls of JAX and nothing else."""
    x, y, power = jnp.asarray(call.arrays["x"]), jnp.asarray(call.arrays["y"]), call.static["power"]
    if call.transform == "vmap":
        return {"": np.stack([weighted(a, b, power) for a, b in zip(x, y)])}
    if call.transform == "grad":
        weights = cotangent((len(x), y.shape[1]), call.seed)
        of_x, of_y = jax.jit(jax.grad(lambda x, y: (weighted(x, y, power) * weights).sum(), argnums=(0, 1)))(x, y)
        return {"x": of_x, "y": of_y}
    return {"": weighted(x, y, power)}


@pytest.mark.parametrize("transform", ["eager", "jit", "vmap", "grad"])
def test_outcomes_are_those_of_direct_calls(calls, together, transform):
    """Each case under each transform gives what JAX gives when it is called directly."""
    tried = [call for call in calls if call.transform == transform]
    assert len(tried) == 3
    for call in tried:
        expected = direct(call)
        assert together[call.id].leaves.keys() == expected.keys()
        for leaf, value in expected.items():
            assert together[call.id].leaves[leaf].dtype == value.dtype
            np.testing.assert_allclose(together[call.id].leaves[leaf], value, rtol=1e-5, atol=1e-6)


def test_eager_outcomes_are_equal_to_the_last_bit(calls, together):
    """An eager call is called and not compiled with others."""
    for call in calls:
        if call.transform == "eager":
            assert np.array_equal(together[call.id].leaves[""], direct(call)[""])


def test_a_joint_program_gives_what_each_case_gives_alone(calls, together):
    """Compiled together or one by one, the cases have the same outcomes."""
    for call in calls:
        if call.transform in ("jit", "grad"):
            alone = evaluated(weighted, [call])[call.id]
            assert alone.structure == together[call.id].structure
            for leaf in alone.leaves:
                np.testing.assert_allclose(alone.leaves[leaf], together[call.id].leaves[leaf], rtol=1e-6, atol=1e-7)


def test_eager_calls_can_be_compiled_with_the_others(calls, together):
    """Not eagerly, as the reference is run, the eager calls have the same outcomes up to rounding."""
    tried = [call for call in calls if call.transform == "eager"]
    for id, outcome in evaluated(weighted, tried, eagerly=False).items():
        np.testing.assert_allclose(outcome.leaves[""], together[id].leaves[""], rtol=1e-5, atol=1e-6)


def test_what_cannot_be_traced_is_still_called_eagerly():
    """Not eagerly, a call that fails to trace is tried as it is, alone, and the others are compiled."""

    def stubborn(x, y, power):
        return x * float(x[0, 0]) if len(x) == 2 else x * x[0, 0]

    tried = [call for call in calls_for([entry("eager", one=dict(rows=1), two=dict(rows=2))])]
    found = evaluated(stubborn, tried, eagerly=False)
    for call in tried:
        np.testing.assert_allclose(found[call.id].leaves[""], call.arrays["x"] * call.arrays["x"][0, 0], rtol=1e-6)


def test_float64_is_computed_in_float64():
    """With `double` floating inputs become float64 before the call, and outputs with them; other inputs stay."""

    def typed(x, y, power):
        assert x.dtype == jnp.float64
        return x / 3

    (call,) = calls_for([entry("eager", one=dict(rows=2))])
    with jax.enable_x64(True):
        value = evaluated(typed, [call], double=True)[call.id].leaves[""]
    assert value.dtype == np.float64
    np.testing.assert_allclose(value, call.arrays["x"].astype(np.float64) / 3, rtol=1e-14)


def fails_at_two_rows(x, y, power):
    if x.shape[-2] == 2:
        raise ValueError("two rows")
    return x * y


@pytest.mark.parametrize("transform", ["eager", "jit", "vmap", "grad"])
def test_an_error_belongs_to_its_case(transform):
    """A case that raises has its failure, with the line; the others of the same joint program have their values."""
    tried = calls_for([entry(transform, one=dict(rows=1), two=dict(rows=2), three=dict(rows=3))])
    found = by_place(tried, evaluated(fails_at_two_rows, tried))
    failure = found[transform, "two"].failure
    assert (failure.type, failure.message) == ("ValueError", "two rows")
    assert failure.lines[-1][1:] == ("fails_at_two_rows", 'raise ValueError("two rows")')
    assert [found[transform, case].failure for case in ("one", "three")] == [None, None] and found[
        transform, "three"
    ].leaves


def test_an_error_while_running_belongs_to_its_case():
    """A program that fails only when it runs takes no other case's values with it."""

    def checked(x):
        if len(x) == 2:
            raise ValueError("not these values")
        return x

    def calls_back(x, y, power):
        return jax.pure_callback(checked, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    tried = calls_for([entry("jit", one=dict(rows=1), two=dict(rows=2), three=dict(rows=3))])
    found = by_place(tried, evaluated(calls_back, tried))
    assert found["jit", "two"].failure.is_a("RuntimeError")
    for call in tried:
        if call.check.case != "two":
            assert np.array_equal(found["jit", call.check.case].leaves[""], call.arrays["x"])


def test_leaving_the_program_is_an_outcome():
    """sys.exit() in a call is that call's failure, and the next calls are made."""

    def leaves(x, y, power):
        return sys.exit(3) if len(x) == 1 else x

    tried = calls_for([entry("eager", one=dict(rows=1), two=dict(rows=2))])
    found = by_place(tried, evaluated(leaves, tried))
    assert found["eager", "one"].failure.type == "SystemExit" and found["eager", "two"].failure is None


@pytest.mark.parametrize(
    "error",
    [RecursionError("deep"), MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of memory")],
    ids=lambda error: type(error).__name__,
)
def test_what_exhausts_the_machine_ends_the_run(error):
    """After a call that took all stack or memory no other call is made, and what came before it is kept."""

    def greedy(x, y, power):
        if len(x) == 2:
            raise error
        return x

    tried = calls_for([entry("eager", one=dict(rows=1), two=dict(rows=2), three=dict(rows=3))])
    outcomes = {}
    run = Evaluation(
        lambda name: greedy,
        lambda e: failure_of(e, ""),
        lambda call, outcome: outcomes.__setitem__(call.check.case, outcome),
    )
    with pytest.raises(Exhausted):
        run.run(tried)
    assert [*outcomes] == ["one", "two"] and outcomes["two"].failure.type == type(error).__name__


def test_a_place_is_told_before_each_eager_call_and_each_trace(calls):
    """Whoever watches knows under which call student code runs: the place is told first."""
    told = []

    def watched(x, y, power):
        told.append("call")
        return x

    tried = [call for call in calls if call.transform in ("eager", "jit")]
    evaluated(watched, tried, started=lambda stage, *ids: told.append((stage, ids[0])))
    places = [place for place, what in zip(told, told[1:]) if what == "call"]
    assert sorted(places) == sorted((call.transform, call.id) for call in tried)


@pytest.mark.parametrize("draws, seen", [(5, True), (5000, False)])
def test_what_asks_for_values_draws_with_a_few_keys_one_by_one(draws, seen):
    """The same as where it can be traced; with many keys it is told that it cannot."""
    drawing = Function(
        "f",
        lambda rng: dict(key=Key.drawn(rng), height=np.float32(2)),
        {"one": Case(under=("eager",))},
        statistics=[Frequencies("often", "Often.", "one", lambda inputs: [0.5, 0.5], draws=draws)],
    )
    calls = [call for call in calls_for([drawing]) if call.transform == "draws"]

    def traced(key, height):
        return height * jax.random.normal(key, (3,))

    def untraced(key, height):
        return jnp.asarray(np.asarray(traced(key, height)))

    right, came = (evaluated(f, calls)[calls[0].id] for f in (traced, untraced))
    assert right.leaves[""].shape == (draws, 3)
    if seen:
        np.testing.assert_allclose(came.leaves[""], right.leaves[""], rtol=1e-6)
    else:
        assert came.failure.type == "TracerArrayConversionError"


def test_equal_arrays_are_one_object():
    """Inputs that are equal are passed as one array, as when a caller writes f(x, x); different ones are not."""
    seen = []

    def looks(x, y, power):
        seen.append(x is y)
        return x

    evaluated(looks, calls_for([entry("eager", same=dict(same=True), different=dict())]))
    assert seen == [True, False]


def test_a_constant_may_be_a_numpy_array():
    """What follows from no array is as good in NumPy, in JAX's precision, as it is under `jit`; what follows from
    arrays has to be JAX's."""
    made = Function("mask", lambda rng, N: dict(N=N), {"three": Case(N=3)})
    outcomes = evaluated(np.eye, calls_for([made])).values()
    assert [(outcome.structure, outcome.leaves[""].dtype) for outcome in outcomes] == [("array", np.float32)] * 2
    [outcome] = evaluated(lambda x, y, power: np.asarray(x), calls_for([entry("eager", one=dict())])).values()
    assert outcome.structure == "NumPy array"


def test_static_arguments_stay_python_values():
    """Under every transform what is no array comes as the Python value that it is, by position or by name."""

    def typed(x, y, power):
        assert type(power) is int
        return x * power

    tried = calls_for([LADDER])
    assert {call.by_name for call in tried} == {True, False}
    assert [outcome.failure for outcome in evaluated(typed, tried).values() if outcome.failure] == []


def test_calls_of_one_shape_share_a_program():
    """Calls that differ in their arrays alone are traced once, and each has the values of its own arrays."""
    count = 0

    def counted(x, y, power):
        nonlocal count
        count += 1
        return x + y

    (first,) = calls_for([entry("jit", one=dict(rows=2))])
    tried = [
        first,
        *(
            dataclasses.replace(first, id=i, variant=str(i), arrays={n: a + i for n, a in first.arrays.items()})
            for i in (1, 2)
        ),
    ]
    found = evaluated(counted, tried)
    assert count == 1
    for call in tried:
        assert np.array_equal(found[call.id].leaves[""], call.arrays["x"] + call.arrays["y"])


# Traces and leaks


def structural(kind):
    return next(call for call in calls_for([LADDER]) if call.transform == kind)


def test_an_ordinary_function_is_traced_once():
    """Two calls with the same shapes share a trace."""
    assert evaluated(weighted, [structural("traces")])[structural("traces").id].leaves["traces"] == 1


def test_a_function_that_changes_a_setting_is_traced_again():
    """What makes JAX forget its trace is counted."""
    precisions = iter(["float32", "bfloat16", "float32"])
    kept = jax.config.jax_default_matmul_precision

    def unsettled(x, y, power):
        jax.config.update("jax_default_matmul_precision", next(precisions))
        return x

    try:
        assert evaluated(unsettled, [structural("traces")])[structural("traces").id].leaves["traces"] == 2
    finally:
        jax.config.update("jax_default_matmul_precision", kept)


@pytest.fixture
def nothing_left(monkeypatch):
    """No earlier file counts."""
    monkeypatch.setattr(Evaluation, "used", True)
    jax.clear_caches()
    gc.collect()


def leaked(function) -> int:
    call = structural("leaks")
    return int(evaluated(function, [call])[call.id].leaves["leaked"])


def test_what_an_earlier_file_left_without_being_asked_is_no_leak_of_the_next(nothing_left):
    """A worker that is used again may have had a file that no leak was looked for in."""
    kept = []

    def keeps(x, y, power):
        kept.append(x + y)
        return x

    evaluated(keeps, [call for call in calls_for([LADDER]) if call.transform == "jit"])
    assert any(isinstance(tracer, jax.core.Tracer) for tracer in kept) and leaked(weighted) == 0


def test_leaked_tracers_are_counted(nothing_left):
    """A function that keeps an intermediate value leaks a tracer; one that keeps nothing leaks none, also after one
    that did."""
    kept = []

    def keeps(x, y, power):
        kept.append(x + y)
        return x

    assert leaked(weighted) == 0
    assert leaked(keeps) > 0
    assert leaked(weighted) == 0
    kept.clear()


def test_of_several_names_the_one_that_leaks_is_found(nothing_left, monkeypatch):
    """All are looked at in one go, and where that finds nothing no second look is taken; one that leaks is told of, and
    so is one that fails by then."""
    looks, kept = [], []
    living = evaluate._living_tracers
    monkeypatch.setattr(evaluate, "_living_tracers", lambda: looks.append(0) or living())

    def keeps(x, y, power):
        kept.append(x + y)
        return x

    def fails(x, y, power):
        raise ValueError("by then")

    calls = [call for call in calls_for([LADDER, dataclasses.replace(LADDER, name="g")]) if call.transform == "leaks"]

    def found(*functions):
        looks.clear()
        names, came = dict(zip("fg", functions, strict=True)), {}
        Evaluation(names.get, lambda error: failure_of(error, __file__), lambda c, o: came.update({c.id: o})).run(calls)
        return [came[call.id].failure or int(came[call.id].leaves["leaked"]) for call in calls]

    assert found(weighted, weighted) == [0, 0] and len(looks) == 2  # before, and afterwards
    nothing, failure = found(weighted, fails)
    assert nothing == 0 and failure.message == "by then"
    assert found(weighted, keeps)[1] > 0
    kept.clear()


def test_what_jax_itself_keeps_is_no_leak(nothing_left):
    """`jax.checkpoint` with a static argument keeps the closure that it is given in a cache; the file that calls it
    leaks nothing."""

    def checkpointed(x, y, power):
        scaled = x * 2

        def step(a, count):
            return a + scaled * count

        return jax.checkpoint(step, static_argnums=(1,))(x, 3)

    assert leaked(checkpointed) == 0


# Modules


def module_inputs(rng, length=2, width=3):
    return ModuleInputs(
        init=dict(width=width),
        params={"proj.kernel": rng.standard_normal((width, width)).astype(np.float32)},
        call=dict(x=rng.standard_normal((length, width)).astype(np.float32)),
    )


MODULE = Module("M", module_inputs, cases={"small": Case(length=1), "large": Case(length=4, width=5)})


class Projection(nnx.Module):
    def __init__(self, width, *, rngs):
        self.proj = nnx.Linear(width, width, use_bias=False, rngs=rngs)

    def __call__(self, x):
        return jnp.tanh(self.proj(x))


class Counting(Projection):
    def __init__(self, width, *, rngs):
        super().__init__(width, rngs=rngs)
        self.count = 0

    def __call__(self, x):
        self.count += 1
        return super().__call__(x)


class Random(Projection):
    def __init__(self, width, *, rngs):
        super().__init__(width, rngs=rngs)
        self.rngs = rngs

    def __call__(self, x):
        return super().__call__(x) * jax.random.uniform(self.rngs.params())


class Remembering(Projection):
    def __init__(self, width, *, rngs):
        super().__init__(width, rngs=rngs)
        self.total = nnx.Cache(jnp.zeros(()))

    def __call__(self, x):
        self.total[...] += x.sum()
        return super().__call__(x) + self.total[...]


@pytest.fixture(scope="module")
def module_calls():
    return calls_for([MODULE])


def test_a_module_is_the_pure_function_of_its_parameters(module_calls):
    """Under each transform a module gives what its formula gives with the case's parameters, gradients for both
    included."""
    found = evaluated(Projection, module_calls)
    assert [outcome.failure for outcome in found.values() if outcome.failure] == []
    for call in module_calls:
        leaves = found[call.id].leaves
        w = call.params["proj.kernel"]
        if call.transform in ("eager", "jit", "vmap"):
            np.testing.assert_allclose(leaves[""], np.tanh(call.arrays["x"] @ w), rtol=1e-5, atol=1e-6)
        elif call.transform == "grad":
            x = call.arrays["x"]
            slope = (1 - np.tanh(x @ w) ** 2) * cotangent(x.shape, call.seed)
            np.testing.assert_allclose(leaves["proj.kernel"], x.T @ slope, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(leaves["x"], slope @ w.T, rtol=1e-4, atol=1e-5)


def test_the_variables_of_a_module(module_calls):
    """The parameters check gives path, kind, shape and dtype of every variable."""
    call = module_calls[0]
    assert evaluated(Remembering, [call])[call.id] == Outcome(
        ["variables", [["proj.kernel", "Param", [3, 3], "float32"], ["total", "Cache", [], "float32"]]]
    )


def test_an_array_beside_the_variables_is_told_with_them(module_calls):
    """What is a plain attribute is state as well, since `nnx.split` hands it out; a Python number is none."""

    class WithArrays(Projection):
        def __init__(self, width, *, rngs):
            super().__init__(width, rngs=rngs)
            self.scale, self.table, self.number = jnp.sqrt(2.0), np.ones(3, np.float32), 0.5

    _, variables = evaluated(WithArrays, [module_calls[0]])[module_calls[0].id].structure
    assert variables == [
        ["proj.kernel", "Param", [3, 3], "float32"],
        ["scale", "array", [], "float32"],
        ["table", "array", [3], "float32"],
    ]


def test_initial_values_that_the_contract_gives_come_with_the_variables(module_calls):
    """What the named variables hold before any call is there to be compared; of the others only the form counts."""
    call = dataclasses.replace(module_calls[0], given=("total", "nowhere"))
    outcome = evaluated(Remembering, [call])[call.id]
    assert outcome.structure == [
        "variables",
        [["proj.kernel", "Param", [3, 3], "float32"], ["total", "Cache", [], "float32", True]],
    ]
    assert {name: array.tolist() for name, array in outcome.leaves.items()} == {"total": 0.0}
    again = Outcome.from_wire(*outcome.to_wire())
    assert (
        compare(outcome, again, {}) is None
        and compare(outcome, dataclasses.replace(again, leaves={"total": np.float32(1)}), {}).way == "values"
    )


def test_a_modules_other_variables_are_part_of_its_output(module_calls):
    """What a call leaves in a variable that is no parameter comes out beside the output, under every transform."""
    tried = [call for call in module_calls if call.transform in ("eager", "jit", "vmap") and call.check.case == "large"]
    for call, outcome in zip(tried, evaluated(Remembering, tried).values(), strict=True):
        assert outcome.structure == ["dict", [["output", "array"], ["variables", ["dict", [["total", "array"]]]]]]
        np.testing.assert_allclose(
            outcome.leaves["variables.total"], call.arrays["x"].sum((-1, -2)), rtol=1e-4, atol=1e-5
        )


def test_one_call_leaves_nothing_for_the_next(module_calls):
    """Each call starts from the module as it was constructed: the same call gives the same outcome twice, and the
    variables stay new."""
    first = next(call for call in module_calls if call.transform == "eager")
    for cls in (Remembering, Random):
        found = evaluated(cls, [first, dataclasses.replace(first, id=99)])
        for leaf, array in found[first.id].leaves.items():
            assert np.array_equal(array, found[99].leaves[leaf])


def test_parameters_that_cannot_be_loaded_are_a_failure_of_their_own(module_calls):
    """A module with other parameters than the case's fails as ParameterMismatch in each call, and its variables can
    still be told."""

    class Biased(Projection):
        def __init__(self, width, *, rngs):
            self.proj = nnx.Linear(width, width, rngs=rngs)

    tried = [call for call in module_calls if call.transform in ("parameters", "eager", "jit")]
    kinds = [outcome.failure.type if outcome.failure else "told" for outcome in evaluated(Biased, tried).values()]
    assert kinds == ["told"] + ["ParameterMismatch"] * 4


@pytest.mark.parametrize("cls, traces", [(Projection, 1), (Remembering, 1), (Counting, 2)])
def test_how_often_a_module_is_traced(module_calls, cls, traces):
    """A Python number that a call changes forces a new trace; a variable that a call changes does not."""
    call = next(call for call in module_calls if call.transform == "traces")
    found = evaluated(cls, [call])[call.id]
    assert found.leaves["traces"] == traces


def test_the_second_call_under_jit_is_the_one_that_counts(module_calls):
    """The traces check also gives the output of the second call on one module, in which what the first one left is
    seen."""
    call = next(call for call in module_calls if call.transform == "traces")
    x, w = call.arrays["x"], call.params["proj.kernel"]
    found = evaluated(Remembering, [call])[call.id]
    assert len(x) == DRAWS
    np.testing.assert_allclose(
        found.leaves["output.output"], np.tanh(x[1] @ w) + x[0].sum() + x[1].sum(), rtol=1e-4, atol=1e-4
    )


# What was returned

ONE = jnp.ones(2)


class Odd:
    pass


RETURNED = [
    (ONE, "array", [""]),
    (jnp.float32(1), "array", [""]),
    (None, "None", []),
    (1.5, "Python float", []),
    (True, "Python bool", []),
    (3, "Python int", []),
    ("text", "Python str", []),
    (np.ones(2), "NumPy array", []),
    (np.float32(1), "NumPy array", []),
    ((ONE, None), ["tuple", ["array", "None"]], ["[0]"]),
    ([ONE, [ONE]], ["list", ["array", ["list", ["array"]]]], ["[0]", "[1][0]"]),
    (
        {"a": ONE, "b": {"c": ONE}, 3: ONE},
        ["dict", [["a", "array"], ["b", ["dict", [["c", "array"]]]], ["3", "array"]]],
        ["a", "b.c", "3"],
    ),
    ({"a": (ONE,)}, ["dict", [["a", ["tuple", ["array"]]]]], ["a[0]"]),
    ((), ["tuple", []], []),
    (Odd(), f"{__name__}.Odd object", []),
    (Odd, "type object", []),
    (ONE.shape, ["tuple", ["Python int"]], []),
]


@pytest.mark.parametrize("value, structure, leaves", RETURNED, ids=[str(structure) for _, structure, _ in RETURNED])
def test_whatever_is_returned_is_described(value, structure, leaves):
    """Arrays are kept by their paths, and everything else is told by its kind; the description survives the wire."""
    outcome = describe(value)
    assert (outcome.structure, [*outcome.leaves], outcome.failure) == (structure, leaves, None)
    assert Outcome.from_wire(*outcome.to_wire()).structure == structure


def test_a_returned_tracer_is_told_as_one():
    """A value of an earlier trace that is returned eagerly is described, not touched."""
    kept = []
    jax.jit(lambda x: kept.append(x) or x)(1.0)
    assert describe(kept.pop()) == Outcome("tracer", {})


@pytest.mark.parametrize("dtype", ["bool", "int32", "float16", "bfloat16", "float32", "complex64", "float8_e4m3fn"])
def test_an_array_keeps_its_dtype(dtype):
    """What is described is the array as it came, whatever its dtype."""
    assert describe(jnp.zeros((0, 2), dtype)).leaves[""].dtype == jnp.dtype(dtype)


# Settings

SETTINGS = """
import sys
from pathlib import Path
from grader.program.settings import keep_compiled, set_up_jax
set_up_jax()
import jax
print(jax.default_backend(), jax.config.values["jax_disable_most_optimizations"], jax.config.jax_enable_x64)
keep_compiled("")
jax.jit(lambda x: x + 1)(1.0)
print(jax.config.jax_compilation_cache_dir)
keep_compiled(sys.argv[1])
jax.jit(lambda x: x * 3 + 1)(1.0)
print(any(Path(sys.argv[1]).iterdir()))
"""


def test_every_process_is_set_up_alike(tmp_path):
    """Processes that evaluate run on the CPU, compile fast, stay in 32 bits, and keep even the smallest program in the
    folder given."""
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS, tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=dict(PYTHONPATH=str(ROOT), JAX_PLATFORMS="cpu"),
    )
    assert done.stdout.splitlines() == ["cpu True False", "None", "True"]


# The same answer again

REMEMBERS = {
    "by identity": "kept = {}\ndef f(x, y):\n    return kept.setdefault(id(x), (x, x + y))[1]",
    "by shape": "kept = {}\ndef f(x, y):\n    return kept.setdefault(x.shape, x + y)",
    "by number": "calls = []\ndef f(x, y):\n    calls.append(1)\n    return x + y * (1 if len(calls) < 3 else 2)",
}


@pytest.mark.parametrize(
    "source, differs",
    [
        (REMEMBERS["by identity"], "other"),
        (REMEMBERS["by shape"], "other"),
        (REMEMBERS["by number"], "again"),
        ("def f(x, y): return x + y", ""),
    ],
    ids=[*REMEMBERS, "nothing"],
)
def test_what_an_earlier_call_decides_is_seen(source, differs):
    """`again` passes the first array of an earlier call as the same object with other values beside it, and then makes
    the earlier call again."""
    names: dict = {}
    exec(source, names)
    x, y = (np.arange(6, dtype=np.float32).reshape(3, 2) + 10 * k for k in (1, 2))
    call = Call(0, Check("f", "again"), arrays=dict(x=x, y=y), order=("x", "y"))
    found: dict = {}
    Evaluation(
        lambda entry: names["f"],
        lambda error: failure_of(error, ""),
        lambda call, outcome: found.update({call.id: outcome}),
    ).run([call])
    right = {"other": x[0] + y[1], "again": x[0] + y[0]}
    assert {leaf for leaf, array in found[0].leaves.items() if not np.array_equal(array, right[leaf])} == (
        {differs} - {""}
    )


def test_what_jax_keeps_of_a_kernel_that_failed_is_no_leak_of_the_file():
    """JAX holds tracers of a trace that raised within `pl.when`. Of a call after it only what that call leaves counts,
    and is found."""
    from jax.experimental import pallas as pl

    kept = []

    def kernel(keeps):
        def wrong_for_one_row(x, y, power):
            if keeps:
                kept.append(x + 1)

            def body(x_ref, o_ref):
                @pl.when(pl.program_id(0) == 0)
                def _():
                    doubled = x_ref[...] * 2
                    if len(x) == 1:
                        raise ValueError("one row")
                    o_ref[...] = doubled

            return pl.pallas_call(body, grid=(1,), out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype), interpret=True)(x)

        return wrong_for_one_row

    ladder = entry("eager", "jit", small=dict(rows=1), wide=dict(rows=2))
    calls = calls_for([ladder])
    for keeps in (False, True):
        outcomes = by_place(calls, evaluated(kernel(keeps), calls))
        assert outcomes["eager", "small"].failure.message == "one row"
        assert (outcomes["leaks", "wide"].leaves["leaked"] > 0) == keeps
    kept.clear()
