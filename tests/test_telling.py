"""The gates of `verify` that question an answer key: what would pass although it is wrong is found, and what is said to
make no difference is tried."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from grader.authors import telling
from grader.authors.mutants import CAUGHT_BY, OF_KEYS, mutated
from grader.authors.reference import answer_key, driver_of
from grader.course.calls import calls_for
from grader.course.cases import Case, Function, Module, ModuleInputs
from grader.course.problem import discover, load
from grader.course.statistics import Statistic
from grader.course.verdict import Outcome
from grader.key.key import Answer, AnswerKey
from grader.run.evaluate import Evaluation
from grader.run.failure import failure_of
from tests.conftest import ROOT

jax.config.update("jax_platforms", "cpu")


def inputs(rng, rows=3, hidden=1, flag=True):
    x, y = rng.standard_normal((2, rows, 2)).astype(np.float32)
    return dict(x=x, y=y, mask=np.arange(rows) >= hidden, flag=flag)


def right(x, y, mask, flag):
    """Sums what is visible, of the squares or of the numbers themselves."""
    return (jnp.where(mask[:, None], x * y, 0.0) if flag else x + jnp.where(mask[:, None], y, 0.0)).sum(0) ** 3


def keyed(entry, function, allowed=1e-4):
    """The calls of an entry, and a key as this function gives it."""
    calls = calls_for([entry])
    outcomes = evaluated(function, calls)
    return calls, AnswerKey(
        {
            call.id: Answer(outcomes[call.id], {leaf: allowed for leaf in outcomes[call.id].leaves})
            for call in calls
            if call.check.kind != "traces"
        }
    )


def evaluated(function, calls) -> dict[int, Outcome]:
    outcomes = {}
    Evaluation(
        lambda name: function,
        lambda error: failure_of(error, ""),
        lambda call, outcome: outcomes.__setitem__(call.id, outcome),
    ).run(calls)
    return outcomes


def faults(found) -> list[str]:
    return [fault for fault in found if fault]


def counted(function, **case) -> list[str]:
    """What is said of the arguments of a case whose reference is the function."""
    entry = Function("f", inputs, cases={"case": Case(under=("jit", "grad"), **case)})
    calls, key = keyed(entry, function)
    changed = telling.changed_calls(entry, calls)
    return faults(
        telling.arguments_that_make_no_difference(
            entry, changed, evaluated(function, [other for *_, other in changed]), key
        )
    )


def test_where_each_argument_counts_there_is_no_fault():
    """Arrays, a mask that hides something and a flag: a change of each shows in the values and in the gradient."""
    assert counted(right) == []


def test_a_mask_that_nobody_looks_at_is_found():
    """A key that was computed without the mask says so for each transform."""
    said = counted(lambda x, y, mask, flag: right(x, y, jnp.ones_like(mask), flag))
    assert {fault.split(";")[0] for fault in said} == {
        f"f, case · {kind}: mask: {how} makes no difference, so who ignores it passes"
        for kind in ("jit", "grad")
        for how in ("flipped", "all True")
    }


def test_a_mask_that_hides_nothing_is_found_unless_the_case_says_so():
    """With no key hidden, who ignores the mask is right."""
    assert any("mask: all True makes no difference" in fault for fault in counted(right, hidden=0))
    assert counted(right, hidden=0, idle=("mask: all True",)) == []


def test_an_input_that_is_dropped_is_found():
    """An argument that the answer does not depend on has to be said to make no difference: everywhere, or under one
    transform."""

    def dropped(x, y, mask, flag):
        return right(x, jnp.ones_like(y), mask, flag)

    assert len([fault for fault in counted(dropped) if "y: redrawn makes no difference" in fault]) == 2
    assert counted(dropped, idle=("y",)) == []
    assert [fault.split(":")[0] for fault in counted(dropped, idle=("y under grad",))] == ["f, case · jit"]


def test_what_is_said_to_make_no_difference_is_tried():
    """A case cannot excuse itself from an argument that counts."""
    assert counted(right, idle=("flag",)) == ["f, case · jit: it says that flag makes no difference, and it does"]


def test_a_flag_that_is_not_looked_at_is_found():
    """A Python value has another one in its place."""
    assert any(
        "flag makes no difference" in fault for fault in counted(lambda x, y, mask, flag: right(x, y, mask, True))
    )


def test_an_allowed_error_that_zeros_would_pass_is_found():
    """An array of the key that is not zeros must not take zeros for right, nor its mean."""
    calls, key = keyed(Function("f", inputs, cases={"case": Case(under=("jit",))}), right, allowed=1e6)
    said = faults(telling.constants_that_pass(calls, key))
    assert [fault.split(":")[1].strip() for fault in said] == [
        f"{what} in the place of the output would pass; 1e+06 is allowed" for what in ("zeros", "its mean")
    ]
    calls, key = keyed(Function("f", inputs, cases={"case": Case(under=("jit",))}), right)
    assert faults(telling.constants_that_pass(calls, key)) == []


def test_zeros_that_are_right_are_no_fault():
    """Where the truth is exactly zeros, or one number, a constant passes because it is right."""
    for constant in (0.0, 2.5):
        calls, key = keyed(
            Function("f", inputs, cases={"case": Case(under=("jit",))}),
            lambda x, y, mask, flag: jnp.full((2,), constant),
        )
        assert faults(telling.constants_that_pass(calls, key)) == []


def test_infinities_do_not_hide_what_is_finite():
    """A constant in the place of the finite numbers is found where it would pass, beside -inf as well; and what is
    drawn in the place of an input with -inf is finite, since NaN would differ from everything."""

    def filtered(rng):
        return dict(x=np.where(np.arange(6) < 2, -np.inf, rng.standard_normal(6)).astype(np.float32))

    entry = Function("f", filtered, cases={"case": Case(under=("jit",))})
    for allowed, told in ((1e6, ["zeros", "its mean"]), (1e-4, [])):
        calls, key = keyed(entry, lambda x: 2 * x, allowed)
        said = faults(telling.constants_that_pass(calls, key))
        assert [fault.split(":")[1].split(" in the place")[0].strip() for fault in said] == told
    ((_, what, other),) = telling.changed_calls(entry, [call for call in calls if call.check.kind == "jit"])
    assert what == "x: redrawn" and np.isfinite(other.arrays["x"]).all()


def test_what_is_drawn_in_the_place_of_a_huge_number_is_finite():
    """One that is nearly too large for its type stands for a key that a mask hides: infinity would be another test."""

    def hidden(rng):
        return dict(x=np.where(np.arange(6) < 2, 3e38, rng.standard_normal(6)).astype(np.float32))

    calls, _ = keyed(entry := Function("f", hidden, cases={"case": Case(under=("jit",))}), lambda x: 0 * x, 0.0)
    ((_, what, other),) = telling.changed_calls(entry, [call for call in calls if call.check.kind == "jit"])
    assert what == "x: redrawn" and np.isfinite(other.arrays["x"]).all() and (abs(other.arrays["x"]) > 1e37).any()


def test_an_answer_that_would_pass_for_another_call_is_found():
    """When the two draws of "again" have one answer, who keeps the first one passes."""
    entry = Function("f", inputs, cases={"case": Case()})
    assert faults(telling.answers_that_repeat(*keyed(entry, right))) == []
    said = faults(telling.answers_that_repeat(*keyed(entry, lambda x, y, mask, flag: mask.sum())))
    assert said == ["f, case · again: what the first call gives would pass for the second"]


class Scaled(nnx.Module):
    def __init__(self, width, *, rngs):
        self.scale = nnx.Param(jnp.ones(width))

    def __call__(self, x):
        return x * self.scale[...]


MODULE = Module(
    "Scaled",
    lambda rng: ModuleInputs(
        init=dict(width=2),
        params={"scale": rng.standard_normal(2).astype(np.float32)},
        call=dict(x=rng.standard_normal((3, 2)).astype(np.float32)),
    ),
    cases={"case": Case()},
)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "entry, implementation", [(Function("f", inputs, cases={"case": Case()}), right), (MODULE, Scaled)]
)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.sample if name == next(iter(CAUGHT_BY)) else ()) for name in CAUGHT_BY],
)
def test_each_automatic_mutant_is_caught(name, entry, implementation):
    """Who keeps its first answer, answers in another dtype or keeps an array on the module passes none of the calls
    that are to catch it."""
    calls, key = keyed(entry, implementation)
    asked = telling.caught_by(name, calls, key)
    mutant = mutated(name, {entry.name: implementation})[entry.name]
    tried = [*telling.mutants_that_pass(name, asked, evaluated(mutant, asked), key)]
    assert faults(tried) == [] and (tried or name == "adds_an_array")
    the_same = [*telling.mutants_that_pass(name, asked, evaluated(implementation, asked), key)]
    assert all(the_same)  # the gate can fail


# --- the new kinds: trees, keys, draws, drivers

TINY = {problem.number: problem for problem in discover(ROOT / "tests/tiny")}


def gates(problem, entries=None, reference=None) -> list[str]:
    """What every gate says of a problem's cases, and of others in their place."""
    entries, right = (
        entries or problem.entries,
        reference or vars(load(problem.solutions / "reference.py", "reference")),
    )
    driver, found, calls = driver_of(problem), [], calls_for(entries)

    def run(asked, names=right):
        outcomes = {}
        Evaluation(
            lambda name: names[name],
            lambda error: failure_of(error, ""),
            lambda call, outcome: outcomes.__setitem__(call.id, outcome),
            driver=driver,
        ).run(asked)
        return outcomes

    key = AnswerKey(answer_key(problem, calls))
    found += [*telling.constants_that_pass(calls, key), *telling.answers_that_repeat(calls, key)]
    for name in CAUGHT_BY:
        asked = telling.caught_by(name, calls, key)
        found += telling.mutants_that_pass(
            name, asked, run(asked, mutated(name, {entry.name: right[entry.name] for entry in entries})), key
        )
    for entry in entries:
        changed = telling.changed_calls(entry, calls)
        found += telling.arguments_that_make_no_difference(entry, changed, run([other for *_, other in changed]), key)
        changed = telling.drawn_otherwise(entry, calls)
        outcomes = run([other for *_, other in changed])
        found += [*telling.cases_that_nothing_tells(entry, calls), *telling.draws_that_pass(entry, changed, outcomes)]
        as_it_is = {call.id: outcomes[other.id] for call, what, other in changed if what == telling.AS_IT_IS}
        asked = [call for call in calls if call.id in as_it_is]
        found += telling.one_key_twice(
            entry, asked, as_it_is, run(asked, mutated(OF_KEYS, {entry.name: right[entry.name]}))
        )
    return faults(found)


@pytest.mark.thorough
@pytest.mark.parametrize("number", [pytest.param(min(TINY), marks=pytest.mark.sample), *sorted(TINY)[1:]])
def test_the_tiny_problems_pass_every_gate(number):
    """Trees, keys, draws, functions as arguments, training loops and modules in train: each argument counts, and no
    constant and no mutant passes."""
    assert gates(TINY[number]) == []


def changed_case(number: int, case: str, **options):
    """A tiny problem's entries with one case that is otherwise, under the transforms that tell least."""
    (entry,) = TINY[number].entries
    return [
        dataclasses.replace(
            entry,
            cases={case: Case(**{"under": ("eager", "jit"), **options})},
            statistics=[one for one in entry.statistics if one.case == case],
        )
    ]


def test_an_argument_is_named_by_itself_or_by_a_path():
    """A part of a tree that makes no difference is found by its path; the case may say so of the part or of the whole
    argument."""
    said = gates(TINY[71], changed_case(71, "a step", under=("jit", "grad")))
    assert {fault.split(" makes")[0] for fault in said} == {
        f"momentum, a step · grad: {part}"
        for part in ("state.count: zeros", "gradients.kernel: redrawn", "gradients.bias: redrawn")
    }
    assert (
        gates(
            TINY[71],
            changed_case(71, "a step", under=("jit", "grad"), idle=("state.count under grad", "gradients under grad")),
        )
        == []
    )
    assert any(
        "it says that state.mean.kernel: redrawn makes no difference, and it does" in fault
        for fault in gates(TINY[71], changed_case(71, "a step", idle=("state.mean",)))
    )


def test_what_is_said_to_be_certain_is_tried_with_other_keys():
    """A case that says that a key makes no difference has the same answer for every key."""
    assert (
        "draw, one row · jit: it says that what is drawn is certain (drawn=False), and another key gives something else"
        in gates(
            TINY[72], [dataclasses.replace(changed_case(72, "one row", temperature=0.2, drawn=False)[0], statistics=())]
        )
    )


def test_values_that_are_drawn_need_a_claim():
    """Any values of a drawn case pass, constants and all: a case that no claim is about is found."""
    (entry,) = changed_case(72, "one row", temperature=0.2)
    assert gates(TINY[72], [dataclasses.replace(entry, statistics=())]) == [
        "draw, one row: its values are drawn, and no claim is about them, so any pass: a Statistic, Frequencies or a "
        "Relation of this case tells"
    ]


def test_a_claim_that_constants_and_any_key_pass_is_found():
    """A claim that says little tells neither a constant nor an argument that is ignored, and each is named."""
    (entry,) = changed_case(72, "one row", temperature=0.2)
    weak = Statistic(
        "an index",
        "Something is drawn.",
        "one row",
        of=lambda drawn, inputs: drawn >= 0,
        expected=lambda inputs: (1.0, 0.0, 0.0),
    )
    said = gates(TINY[72], [dataclasses.replace(entry, statistics=[weak])])
    place = "draw, one row · draws: no claim about what is drawn tells "
    assert said == [
        place + what
        for what in (
            "zeros: it would pass",
            "the first draw each time: it would pass",
            *(
                f"{name}, so who ignores it passes; if that has to be, the case says so (idle=)"
                for name in ("key: one key each time", "logits: redrawn", "temperature: redrawn")
            ),
        )
    ]


def test_who_uses_one_key_twice_is_caught_where_rows_must_be_independent():
    """A reference that splits its key, and a case with no claim that rows fall apart: one key for all of them would
    pass."""
    rows = vars(load(TINY[72].solutions / "right/by_inverse_sum.py", "rows"))
    (entry,) = changed_case(72, "a batch", batch=(3,), temperature=0.5)
    assert gates(TINY[72], [entry], rows) == []
    alone = dataclasses.replace(
        entry, statistics=[one for one in entry.statistics if one.name != "rows are independent"]
    )
    assert gates(TINY[72], [alone], rows) == ["draw, a batch · draws: who uses one key twice passes"]


def test_a_mutant_of_what_a_driver_drives_is_caught():
    """The name that the driver calls is the mutant; a case that shows only how often it was called would pass it."""
    (entry,) = TINY[74].entries
    calls = calls_for([entry])
    again = [call for call in calls if call.check.kind == "again"]
    key = AnswerKey(answer_key(TINY[74], again))
    right = vars(load(TINY[74].solutions / "reference.py", "reference"))
    names = mutated("keeps_its_first_answer", {"train_step": right["train_step"]})
    outcomes = {}
    Evaluation(
        names.__getitem__,
        lambda error: failure_of(error, ""),
        lambda call, outcome: outcomes.__setitem__(call.id, outcome),
        driver=driver_of(TINY[74]),
    ).run(again)
    assert faults(telling.mutants_that_pass("keeps_its_first_answer", again, outcomes, key)) == []
    assert faults(
        telling.mutants_that_pass(
            "keeps_its_first_answer", again, {call.id: key.answers[call.id].outcome for call in again}, key
        )
    )
