"""The calls that every implementation is put through: their order, their draws, and their way over the wire."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from grader.course.calls import DRAWS, Call, calls_for, is_float, of_cotangents
from grader.course.cases import Case, Function, Module, ModuleInputs, Relation
from grader.course.problem import CourseError
from grader.course.until import drawn_until
from grader.course.verdict import Check
from grader.process import wire
from tests.conftest import PROBLEMS


def function_inputs(rng, rows=2, dtype="float32", flag=True):
    return dict(x=rng.standard_normal((rows, 3)).astype(dtype), flag=flag, y=rng.standard_normal(rows).astype(dtype))


def module_inputs(rng, width=2):
    return ModuleInputs(
        init=dict(width=width),
        params={"proj.kernel": rng.standard_normal((width, width)).astype(np.float32)},
        call=dict(x=rng.standard_normal((3, width)).astype(np.float32), n=5),
    )


def swapped(rng, inputs):
    yield "rows swapped", dict(inputs, x=inputs["x"][::-1].copy())
    yield "flag off", dict(inputs, flag=False)


RELATION = Relation("order", "Rows do not mix.", swapped, lambda *_: np.zeros(1, bool), "small")
FUNCTION = Function(
    "f",
    function_inputs,
    cases={"small": Case(rows=1), "refused": Case(rows=2, under=("eager",)), "large": Case(rows=5)},
    relations=[RELATION],
)
MODULE = Module("M", module_inputs, cases={"refused": Case(under=("eager",)), "plain": Case(), "wide": Case(width=4)})


def told(call: Call) -> str:
    return " ".join(
        filter(None, [call.check.entry, call.check.kind, call.check.case, call.variant and f"({call.variant})"])
    )


def one(calls, kind, case, entry="f", variant="") -> Call:
    (found,) = [call for call in calls if call.check == Check(entry, kind, case) and call.variant == variant]
    return found


def same_arrays(left, right) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and np.array_equal(left[name], right[name]) for name in left
    )


def test_calls_of_a_function_go_from_causes_to_effects():
    """Each transform goes up the ladder before the next begins; relations follow, unchanged call first; traces, leaks
    and again come last."""
    assert [told(call) for call in calls_for([FUNCTION])] == [
        "f eager small",
        "f eager refused",
        "f eager large",
        "f jit small",
        "f jit large",
        "f vmap small",
        "f vmap large",
        "f grad small",
        "f grad large",
        "f eager order",
        "f eager order (rows swapped)",
        "f eager order (flag off)",
        "f jit order",
        "f jit order (rows swapped)",
        "f jit order (flag off)",
        "f traces large",
        "f leaks large",
        "f again large",
    ]


def test_calls_of_a_module_begin_with_its_parameters():
    """A module is first constructed for the first case that is not meant to be refused, and its variables looked at."""
    assert [told(call) for call in calls_for([MODULE])] == [
        "M parameters plain",
        "M eager refused",
        "M eager plain",
        "M eager wide",
        "M jit plain",
        "M jit wide",
        "M vmap plain",
        "M vmap wide",
        "M grad plain",
        "M grad wide",
        "M traces wide",
        "M leaks wide",
        "M again wide",
    ]


def test_ids_count_the_calls_across_names():
    """Ids are positions in the list, over all names of a problem, which come one after the other."""
    calls = calls_for([FUNCTION, MODULE])
    assert [call.id for call in calls] == [*range(len(calls))]
    assert [call.check.entry for call in calls] == ["f"] * 18 + ["M"] * 13


def test_every_other_case_passes_its_arguments_by_name():
    """Cases alternate between positions and names, the same for a case under every transform."""
    ways = {(call.check.case, call.by_name) for call in calls_for([FUNCTION]) if call.check.case != "order"}
    assert ways == {("small", False), ("refused", True), ("large", False)}


def test_a_seed_decides_everything():
    """The same seed gives the same calls; another seed gives other values in the same shapes."""
    for first, again, other in zip(calls_for([FUNCTION], 3), calls_for([FUNCTION], 3), calls_for([FUNCTION], 4)):
        assert same_arrays(first.arrays, again.arrays) and told(first) == told(again)
        assert {n: a.shape for n, a in first.arrays.items()} == {n: a.shape for n, a in other.arrays.items()}
        assert not np.array_equal(first.arrays["x"], other.arrays["x"])
        assert (first.seed, other.seed) == (3, 4)


def test_a_case_that_hardly_ever_gets_what_it_asks_for_is_told_so():
    """The first that holds is taken; and a case that asks for what never comes does not hang."""

    def is_large(number):
        return number > 3

    assert drawn_until(is_large, iter(range(9)).__next__) == 4
    with pytest.raises(CourseError, match="10,000 inputs that a case drew none is as `is_large` asks"):
        drawn_until(is_large, lambda: 3)


def test_a_cases_draws_do_not_depend_on_the_other_cases():
    """A case that is added, dropped or moved changes the arrays of no other."""
    fewer = Function(
        "f",
        function_inputs,
        cases={"large": FUNCTION.cases["large"], "new": Case(rows=7), "small": FUNCTION.cases["small"]},
        relations=[RELATION],
    )
    before, after = calls_for([FUNCTION]), calls_for([MODULE, fewer])
    for case in ("small", "large"):
        for kind in ("eager", "jit", "vmap", "grad"):
            assert same_arrays(one(before, kind, case).arrays, one(after, kind, case).arrays)


def test_cases_and_names_draw_from_generators_of_their_own():
    """Two cases of one size, and two names with one ladder, get different arrays."""
    ladder = {"one": Case(rows=3), "two": Case(rows=3)}
    calls = [
        call
        for call in calls_for([Function(name, function_inputs, cases=ladder) for name in "fg"])
        if call.transform == "eager"
    ]
    assert len({call.arrays["x"].tobytes() for call in calls}) == 4


def test_a_case_has_one_draw_under_every_transform_but_vmap():
    """eager, jit, grad and leaks see the same arrays, so that what differs between them is the transform."""
    calls = calls_for([FUNCTION])
    for kind in ("jit", "grad", "leaks"):
        assert same_arrays(one(calls, "eager", "large").arrays, one(calls, kind, "large").arrays)


@pytest.mark.parametrize("kind", ["vmap", "traces"])
def test_stacked_calls_hold_several_draws(kind):
    """For vmap and traces each array has a leading axis of draws that differ; the first is the one of the eager
    call."""
    calls = calls_for([FUNCTION])
    stacked, single = one(calls, kind, "large").arrays, one(calls, "eager", "large").arrays
    for name, array in stacked.items():
        assert array.shape == (DRAWS, *single[name].shape) and np.array_equal(array[0], single[name])
        assert len({part.tobytes() for part in array}) == DRAWS


def test_a_vmapped_module_shares_its_parameters():
    """Under vmap only the call's arrays are stacked; constructor, parameters and static arguments are those of the
    eager call."""
    calls = calls_for([MODULE])
    stacked, single = one(calls, "vmap", "wide", "M"), one(calls, "eager", "wide", "M")
    assert stacked.arrays["x"].shape == (DRAWS, 3, 4) and same_arrays(stacked.params, single.params)
    assert (stacked.init, stacked.static) == (single.init, single.static) == ({"width": 4}, {"n": 5})


@pytest.mark.parametrize(
    "inputs, kinds",
    [
        (lambda rng: dict(x=np.zeros(2, np.float32)), {"eager", "jit", "vmap", "grad", "traces", "leaks", "again"}),
        (
            lambda rng: dict(x=np.zeros(2, ml_dtypes.bfloat16)),
            {"eager", "jit", "vmap", "grad", "traces", "leaks", "again"},
        ),
        (lambda rng: dict(x=np.zeros(2, np.int32)), {"eager", "jit", "vmap", "traces", "leaks", "again"}),
        (lambda rng: dict(x=np.zeros(2, bool), n=3), {"eager", "jit", "vmap", "traces", "leaks", "again"}),
        (lambda rng: dict(t_q=2, t_k=3), {"eager", "jit"}),
    ],
    ids=["float32", "bfloat16", "int32", "bool", "no array"],
)
def test_transforms_apply_where_there_is_something_to_transform(inputs, kinds):
    """vmap, traces, leaks and again need an array; grad needs one of floating point, bfloat16 included."""
    assert {call.transform for call in calls_for([Function("f", inputs, cases={"c": Case()})])} == kinds


def test_a_gradient_applies_to_a_module_of_integer_inputs():
    """A module's floating parameters are enough for grad."""

    def tokens(rng):
        return ModuleInputs(
            init={}, params={"table": np.zeros((4, 2), np.float32)}, call=dict(ids=np.zeros(3, np.int32))
        )

    assert Counter(call.transform for call in calls_for([Module("M", tokens, cases={"c": Case()})]))["grad"] == 1


def test_traces_and_leaks_take_the_last_ordinary_case_that_has_arrays():
    """A last case that is only tried eagerly, or has no arrays, is not the one that is traced twice. `again` takes the
    second one that would do."""

    def inputs(rng, arrays=True):
        return dict(x=np.zeros(2, np.float32)) if arrays else dict(n=1)

    cases = {"a": Case(), "b": Case(), "no array": Case(arrays=False), "refused": Case(under=("eager",))}
    calls = calls_for([Function("f", inputs, cases=cases)])
    assert [told(call) for call in calls[-2:]] == ["f leaks b", "f again b"]


def test_the_variants_of_a_relation_are_changes_of_one_draw():
    """The unchanged call comes first and the others differ from it in what `vary` changed."""
    calls = calls_for([FUNCTION])
    plain, swap, off = (one(calls, "eager", "order", variant=variant) for variant in ("", "rows swapped", "flag off"))
    assert np.array_equal(plain.arrays["x"][::-1], swap.arrays["x"]) and np.array_equal(
        plain.arrays["y"], swap.arrays["y"]
    )
    assert (plain.static, off.static) == ({"flag": True}, {"flag": False})


def test_nothing_tells_the_calls_of_a_relation_from_those_of_its_case():
    """They are made in the same way and at the same sizes. A function that could tell them would answer them alone."""
    calls = calls_for([FUNCTION, MODULE])
    for kind in ("eager", "jit"):
        assert one(calls, kind, "order").program_key == one(calls, kind, "small").program_key
    for number in (33, 34, 35, 40):
        calls = calls_for(PROBLEMS[number].entries)
        for entry in PROBLEMS[number].entries:
            for relation in entry.relations:
                own = [
                    call.program_key
                    for call in calls
                    if (call.check.entry, call.check.case) == (entry.name, relation.name)
                ]
                like = [call.program_key for call in calls if call.check == Check(entry.name, "jit", relation.case)]
                assert {*own} == {*like} and len(own) >= 3


def test_what_a_relation_asks_of_a_program_no_other_call_has_seen():
    """Under `jit` a relation, and the call of its case, have inputs of their own: the program that gives the outputs
    can know none of them."""
    calls = calls_for([FUNCTION])
    asked = [call for call in calls if call.check.case == "order" or call.check == Check("f", "jit", "small")]
    seen = {call.arrays["x"].tobytes() for call in calls if call.transform != "jit"}
    assert all(
        call.measure == dict(of="outputs", under="jit")
        for call in asked
        if call.check.case == "order" and call.transform == "jit"
    )
    assert not {call.arrays["x"].tobytes() for call in asked if call.transform == "jit"} & seen


def test_a_relation_is_about_a_case():
    """A property whose case is not there is a fault of the course."""
    with pytest.raises(CourseError, match="'order' of f is about a case that is not there: 'small'"):
        calls_for([Function("f", function_inputs, cases={"large": FUNCTION.cases["large"]}, relations=[RELATION])])


def test_the_cotangent_of_a_secret_seed_is_secret_too():
    """A worker of a class gets a number that nobody knew before and that does not lead back; elsewhere everything
    follows from the seed that is shown."""
    secret = 12345 << 100
    told_to_workers = {call.seed for call in calls_for([FUNCTION], secret)}
    assert told_to_workers == {of_cotangents(secret)} and 0 < of_cotangents(secret) < 1 << 64
    assert of_cotangents(secret) != of_cotangents(secret + 1) and of_cotangents(7) == 7


def test_arguments_come_in_the_contracts_order():
    """Arrays and static values together stand in the order in which `inputs` gives them, with other arrays put in their
    places."""
    call = one(calls_for([FUNCTION]), "eager", "small")
    assert [*call.arguments(call.arrays)] == ["x", "flag", "y"]
    assert call.arguments({"y": 2, "x": 1}) == {"x": 1, "flag": True, "y": 2}


def test_a_call_is_described_in_a_line():
    """Shapes of arrays first, then the constructor's and the static arguments."""
    assert one(calls_for([FUNCTION]), "eager", "large").described() == "x (5, 3)  y (5,)  flag True"
    call = one(calls_for([MODULE]), "vmap", "wide", "M")
    assert call.described() == "x (3, 3, 4)  width 4  n 5"
    assert replace(call, driver="trained").described() == "x (3, 3, 4)  width 4  n 5  called by trained of driver.py"


def test_every_call_survives_the_wire():
    """A call that went through a pipe has the same fields, arrays and parameters, in the same order."""
    for call in calls_for([FUNCTION, MODULE], seed=2):
        back = Call.from_wire(*wire.receive(io.BytesIO(wire.pack(*call.to_wire()))))
        assert same_arrays(call.arrays, back.arrays) and same_arrays(call.params, back.params)
        assert (
            back.id,
            back.check,
            back.variant,
            back.module,
            back.by_name,
            back.seed,
            tuple(back.order),
            back.init,
            back.static,
        ) == (
            call.id,
            call.check,
            call.variant,
            call.module,
            call.by_name,
            call.seed,
            call.order,
            call.init,
            call.static,
        )
        assert [*back.arguments(back.arrays)] == [*call.arguments(call.arrays)]


def test_a_name_with_a_slash_survives_the_wire():
    """Parameters and arrays are told apart by the first slash only."""
    call = Call(0, Check("f", "eager", "c"), params={"a/b": np.ones(1)}, arrays={"params/c": np.zeros(2)})
    back = Call.from_wire(*wire.receive(io.BytesIO(wire.pack(*call.to_wire()))))
    assert same_arrays(back.params, call.params) and same_arrays(back.arrays, call.arrays)


@pytest.mark.parametrize(
    "dtype, floating",
    [
        ("float16", True),
        ("float32", True),
        ("float64", True),
        (ml_dtypes.bfloat16, True),
        ("int32", False),
        ("uint8", False),
        ("bool", False),
        ("complex64", False),
    ],
)
def test_what_counts_as_floating_point(dtype, floating):
    """The real floating dtypes and bfloat16, which NumPy does not count among them."""
    assert is_float(np.zeros(1, dtype)) is floating
