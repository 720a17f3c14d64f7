"""How a module that keeps state is taken through a sequence: the same outputs and the same state, whoever calls it."""

from __future__ import annotations

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from grader.course.calls import calls_for
from grader.course.cases import Case, Module, ModuleInputs
from grader.judge.explain import explain_mismatch
from grader.key.compare import compare
from grader.run.drive import DRIVES
from grader.student.script import snippet
from tests.test_evaluate import evaluated


def inputs(rng, steps=(), drive="by hand", batch=()):
    x = rng.standard_normal((*batch, sum(steps), 2)).astype(np.float32)
    return ModuleInputs(
        init=dict(width=2), params={"scale": np.float32([2, 3])}, call=dict(x=x), steps=steps, drive=drive
    )


class Running(nnx.Module):
    """Adds up the rows that it has seen, scaled."""

    def __init__(self, width, *, rngs):
        self.scale = nnx.Param(jnp.ones(width))
        self.total = nnx.Cache(jnp.zeros(width))
        self.count = nnx.Cache(jnp.zeros((), jnp.int32))

    def __call__(self, x):
        sums = self.total[...] + jnp.cumsum(x, axis=0)
        self.total[...] = sums[-1]
        self.count[...] += len(x)
        return sums * self.scale[...]


class CountsInPython(Running):
    """A right answer by hand; compiled, each step is another program."""

    def __init__(self, width, *, rngs):
        super().__init__(width, rngs=rngs)
        self.seen = 0

    def __call__(self, x):
        self.seen += len(x)
        return super().__call__(x)


class Grows(Running):
    """Keeps every row, in a variable that is longer each time."""

    def __init__(self, width, *, rngs):
        super().__init__(width, rngs=rngs)
        self.rows = nnx.Cache(jnp.zeros((0, width)))

    def __call__(self, x):
        self.rows.set_value(jnp.concatenate([self.rows[...], x]))
        return super().__call__(x)


KEPT = {}


class InAGlobal(Running):
    """Keeps the sum outside of itself."""

    def __call__(self, x):
        sums = KEPT.get("total", jnp.zeros(2)) + jnp.cumsum(x, axis=0)
        KEPT["total"] = sums[-1]
        return sums * self.scale[...]


def calls(**cases):
    return calls_for([Module("f", inputs, cases={name.replace("_", " "): case for name, case in cases.items()})])


def outcomes(cls, **cases):
    made = calls(**cases)
    return made, evaluated(cls, made)


@pytest.mark.parametrize("drive", DRIVES)
def test_every_drive_gives_the_same(drive):
    """By hand, compiled by nnx or by jax, scanned or batched: outputs and state are those of the formula."""
    batch = (3,) if drive == "jax.vmap" else ()
    made, found = outcomes(Running, case=Case(steps=(2, 2, 2), drive=drive, batch=batch, under=("eager",)))
    x, (outcome,) = made[0].arrays["x"], found.values()
    sums = np.cumsum(x, axis=-2)
    for step in range(3):
        rows = slice(2 * step, 2 * step + 2)
        np.testing.assert_allclose(outcome.leaves[f"output[{step}]"], sums[..., rows, :] * [2, 3], rtol=1e-5)
    np.testing.assert_allclose(outcome.leaves["variables.total"], sums[..., -1, :], rtol=1e-5)
    assert (outcome.leaves["variables.count"] == 6).all() and outcome.leaves["variables.count"].shape == batch


def test_steps_are_gone_through_under_every_transform():
    """jit, vmap and grad act on the whole sequence of calls, each from an empty state."""
    made, found = outcomes(Running, case=Case(steps=(1, 2)))
    assert {call.transform for call in made} >= {"eager", "jit", "vmap", "grad"}
    for call in made:
        leaves = found[call.id].leaves
        if call.transform in ("eager", "jit", "vmap"):
            np.testing.assert_allclose(leaves["variables.total"], call.arrays["x"].sum(axis=-2), rtol=1e-5)


def test_a_stateful_modules_structure_is_looked_at_twice():
    """Its variables are listed as it is made and as its calls leave it; both lists are the contract's."""
    made, found = outcomes(Running, one=Case(steps=(1, 1)))
    listed = {call.transform: found[call.id].structure for call in made if call.transform in ("parameters", "state")}
    assert (
        listed["parameters"]
        == listed["state"]
        == [
            "variables",
            [["count", "Cache", [], "int32"], ["scale", "Param", [2], "float32"], ["total", "Cache", [2], "float32"]],
        ]
    )


def test_one_token_steps_are_what_is_traced():
    """The check on traces takes a case of single tokens, whatever comes after it in the ladder."""
    made = calls(single=Case(steps=(1, 1, 1)), chunks=Case(steps=(2, 1)))
    assert {call.check.case for call in made if call.transform in ("traces", "state")} == {"single"}


@pytest.mark.parametrize(
    "cls, reason",
    [
        (CountsInPython, "`seen` is `1` in the second trace and was `0` in the first"),
        (Grows, "`rows` is `float32 (1, 2)` in the second trace and was `float32 (0, 2)` in the first"),
    ],
)
def test_the_reason_of_a_second_trace_is_told(cls, reason):
    """A Python number that counts, or a buffer that grows, is another program at each step; the sentence says which it
    was."""
    made, found = outcomes(cls, single=Case(steps=(1, 1, 1)))
    _, right = outcomes(Running, single=Case(steps=(1, 1, 1)))
    call = next(call for call in made if call.transform == "traces")
    summary, _, advice = explain_mismatch(compare(right[call.id], found[call.id], {}), call)
    assert summary == f"the step was traced again for inputs of the same shapes: {reason}"
    assert advice.startswith("What changes from call to call must be an array")


def test_what_is_kept_in_a_global_is_another_sequences():
    """State outside of the module survives into the next sequence, and under a transform it is a tracer that outlives
    its trace."""
    KEPT.clear()
    made, found = outcomes(InAGlobal, first=Case(steps=(1, 1)), second=Case(steps=(1, 2)))
    _, right = outcomes(Running, first=Case(steps=(1, 1)), second=Case(steps=(1, 2)))
    wrong = {
        call.transform
        for call in made
        if compare(right[call.id], found[call.id], {leaf: 1e-4 for leaf in right[call.id].leaves})
    }
    assert {"eager", "jit", "leaks"} <= wrong
    KEPT.clear()


class OneRow(Running):
    """Takes a row without the axis of rows, and keeps the sum with the wrong sign."""

    def __call__(self, x):
        assert x.shape == (2,)
        self.total[...] -= x
        self.count[...] += 1
        return -self.total[...] * self.scale[...]


def one_row(rng, steps, **how):
    return dataclasses.replace(inputs(rng, steps, **how), by_row=True)


@pytest.mark.parametrize("drive", DRIVES)
def test_a_step_may_be_a_row_without_its_axis(drive):
    """Whoever takes the module through a sequence, each call gets one row; what it keeps in a variable that is free is
    not told, and its form is."""
    batch, under = ((3,), ("eager",)) if drive == "jax.vmap" else ((), ("eager", "jit"))
    case = Case(steps=(1, 1, 1), drive=drive, batch=batch, under=under)
    made = calls_for([Module("f", one_row, cases={"case": case}, free=("total",))])
    found = evaluated(OneRow, made)
    for call in made:
        if call.transform in ("eager", "jit"):
            x, leaves = call.arrays["x"], found[call.id].leaves
            assert {*leaves} == {"output[0]", "output[1]", "output[2]", "variables.count"}
            for step, row in enumerate(np.moveaxis(np.cumsum(x, axis=-2) * [2, 3], -2, 0)):
                np.testing.assert_allclose(leaves[f"output[{step}]"], row, rtol=1e-5)
    for listed in (found[call.id].structure for call in made if call.transform == "state"):
        assert ["total", "Cache", [2], "float32"] in listed[1]


@pytest.mark.parametrize("drive", DRIVES)
def test_a_script_takes_the_rows_as_the_grader_does(drive, tmp_path):
    """What `debug` writes out gives the same outputs."""
    (tmp_path / "stub.py").write_text(
        "import jax.numpy as jnp\nfrom flax import nnx\n"
        + "".join(map(inspect.getsource, (Running, OneRow)))
        + "f = OneRow\n"
    )
    case = Case(steps=(1, 1), drive=drive, batch=(3,) if drive == "jax.vmap" else (), under=("eager",))
    call = calls_for([Module("f", one_row, cases={"case": case}, free=("total",))])[0]
    script = {}
    exec(snippet(call, tmp_path / "stub.py", 1), script)
    sums = np.cumsum(call.arrays["x"], axis=-2) * [2, 3]
    np.testing.assert_allclose(script["output"], sums, rtol=1e-5)


def test_double_precision_goes_through_the_state():
    """The exact answer is exact all the way: the caches take the dtype of the parameters."""
    made = [call for call in calls(case=Case(steps=(1, 2))) if call.transform == "eager"]
    with jax.enable_x64(True):
        found = evaluated(Running, made, double=True)
    assert all(outcome.leaves["variables.total"].dtype == np.float64 for outcome in found.values())


def test_a_case_says_how_it_is_called():
    """The line with the case's inputs tells the steps and who takes them."""
    made = calls(a=Case(steps=(2, 3)), b=Case(steps=(1, 1), drive="lax.scan", under=("eager",)))
    told = {call.check.case: call.described() for call in made if call.transform == "eager"}
    assert (
        told["a"] == "x (5, 2)  width 2  in calls of 2, 3"
        and told["b"] == "x (2, 2)  width 2  in 2 calls of 1, lax.scan"
    )
