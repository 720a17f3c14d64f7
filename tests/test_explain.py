"""Every sentence that a learner can read about a failure, word for word."""

from __future__ import annotations

import ml_dtypes  # noqa: F401, whose dtypes NumPy knows from then on
import numpy as np
import pytest

from grader.course.calls import Call
from grader.course.verdict import Check, Failure, Outcome, leaf_paths
from grader.judge.explain import LIST, explain_ended, explain_mismatch
from grader.key.compare import compare
from grader.process.child import Ended

LINES = ((3, "helper", "a"), (9, "sdpa", "b"))


def array(values, dtype="float32") -> Outcome:
    return Outcome("array", {"": np.asarray(values, dtype)})


def grads(**leaves) -> Outcome:
    leaves = {name: np.asarray(values, "float32") for name, values in leaves.items()}
    return Outcome(["dict", [[name, "array"] for name in leaves]], leaves)


def variables(*rows) -> Outcome:
    return Outcome(["variables", [list(row) for row in rows]])


def explained(expected: Outcome, came: Outcome, kind="eager", allowed=0.0, returns="", **call):
    mismatch = compare(expected, came, {leaf: allowed for leaf in expected.leaves})
    return explain_mismatch(mismatch, Call(0, Check("f", kind, "case"), **call), returns)


ENDED = [
    (
        Ended("timeout", "30 seconds of computing", 9),
        "line 9 was still running after 30 seconds of computing without a result, and was stopped",
        "Look for a loop whose condition never becomes false, or for something that waits.",
    ),
    (
        Ended("timeout", "40 seconds of waiting"),
        "it was still running after 40 seconds of waiting without a result, and was stopped",
        "Look for a loop whose condition never becomes false, or for something that waits.",
    ),
    (
        Ended("starved", "12 seconds of processor time in 1200"),
        "this machine had too little time for it: 12 seconds of processor time in 1200",
        "This is no fault of the file. Run it again when less else is running.",
    ),
    (
        Ended("memory"),
        "it took more memory than the grader gives, and the process was ended",
        "Look for an array whose shape is a product of values, or a list that grows without end.",
    ),
    (
        Ended("flood", "32 MB"),
        "it printed 32 MB and went on, and was stopped",
        "Look for a `print` in a loop that does not end.",
    ),
    (
        Ended("forged"),
        "it wrote something of its own into the channel that carries the outcomes",
        "Leave file descriptors alone; to show a value, use `print`.",
    ),
    (
        Ended("signal", "SIGSEGV", 4),
        "line 4 crashed the Python process (SIGSEGV)",
        "Only native code crashes like this: look at calls through ctypes, or at buffers that were freed.",
    ),
    (
        Ended("exit", "3"),
        "it ended the Python process (exit code 3)",
        "Leave a function with `return`, not with `os._exit()`.",
    ),
]


@pytest.mark.parametrize(
    "ended, summary, advice", ENDED, ids=[f"{ended.how}-{i}" for i, (ended, *_) in enumerate(ENDED)]
)
def test_how_a_worker_ended(ended, summary, advice):
    """Each way in which a process does not come back has its sentence and its next step."""
    assert explain_ended(ended) == (summary, advice)


JAX_NUMPY = "Compute with `jax.numpy`, so that `jit` and `grad` can follow."
KEEP_ARRAYS = "A sum or `float(...)` too many? Keep the arrays."
RETURNED = [
    ("None", "it returns None", "Is a `return` missing at the end?"),
    (
        "tracer",
        "it returns a tracer, an intermediate value of an earlier traced call that was kept outside the function",
        "Keep nothing between calls: no globals, no lists to append to.",
    ),
    ("NumPy array", "it returns a NumPy array; expected a jax.Array", JAX_NUMPY),
    ("Python float", "it returns a Python float; expected a jax.Array", KEEP_ARRAYS),
    ("Python str", "it returns a Python str; expected a jax.Array", KEEP_ARRAYS),
    (["tuple", ["None", "None"]], "it returns a tuple of 2; expected one array", "Return the output alone."),
    (["list", []], "it returns a list of 0; expected one array", LIST),
    (
        ["dict", [["out", "None"], ["weights", "None"]]],
        "it returns a dict with out, weights; expected one array",
        "Return the output alone.",
    ),
    ("flax.nnx.variablelib.Param object", "it returns a flax.nnx.variablelib.Param object; expected an array", ""),
]


@pytest.mark.parametrize("structure, summary, advice", RETURNED, ids=[str(structure) for structure, *_ in RETURNED])
def test_what_was_returned_in_place_of_an_array(structure, summary, advice):
    """Each structure that is no array has its sentence."""
    assert explained(array([1]), Outcome(structure)) == (summary, "", advice)


def test_another_structure_than_the_expected_one():
    """Where more than one array is expected, both structures are told."""
    assert explained(grads(a=[1], b=[2]), Outcome(["tuple", []])) == (
        "it returns a tuple of 0; expected a dict with a, b",
        "",
        "",
    )


def test_variables_beside_the_parameters():
    """A module that keeps more than its projections is told which variables these are."""
    state = Outcome(
        ["dict", [["output", "array"], ["variables", ["dict", [["rngs.count", "array"], ["rngs.key", "array"]]]]]],
        {name: np.zeros(1) for name in ("output", "variables.rngs.count", "variables.rngs.key")},
    )
    assert explained(array([1]), state, module=True) == (
        "the module holds variables that the contract does not name: rngs.count, rngs.key",
        "",
        "Keep nothing on the module but what the contract names; `rngs` is used in `__init__` and not kept.",
    )


def test_a_function_that_returns_such_a_dictionary_holds_no_variables():
    """The sentence about variables is for modules; a function that returns a dictionary has returned a dictionary."""
    came = Outcome(["dict", [["output", "None"], ["variables", "None"]]])
    assert explained(array([1]), came)[0] == "it returns a dict with output, variables; expected one array"


def test_a_wrong_shape():
    """The two shapes are told, with the contract's letters where they stand for the whole output."""
    expected, came = array(np.zeros((2, 4))), array(np.zeros((4, 2)))
    assert explained(expected, came, returns="T_q d_v") == (
        "the output has shape (4, 2); expected (2, 4), that is `T_q d_v`",
        "",
        "",
    )
    assert explained(expected, came, "vmap", returns="T_q d_v")[0] == "the output has shape (4, 2); expected (2, 4)"
    assert (
        explained(grads(q=[1, 2]), grads(q=[1]), "grad", returns="T_q d_v")[0]
        == "the gradient for q has shape (1,); expected (2,)"
    )


def test_a_drive_that_loses_the_state():
    """Where the steps are not taken by hand, the advice says where state has to be."""
    assert (
        explained(array([1]), array([2]), drive="lax.scan")[2]
        == "Here the steps are taken by lax.scan: what the module remembers has to be in its nnx variables, not in "
        "Python values."
    )


@pytest.mark.parametrize(
    "leaf, subject",
    [
        ("output[1]", "the output of call 2"),
        ("output.output[0]", "the output of call 1"),
        ("variables.pos", "the variable `pos` after the calls"),
    ],
)
def test_outputs_and_state_of_several_calls(leaf, subject):
    """What a stateful module gave is told by the call, and what it holds by the variable."""
    whole, _, part = leaf.partition(".")
    lists = ["list", ["array"] * 2]
    structure = (
        ["dict", [[whole, ["dict", [["output", lists]]] if part.endswith("]") else ["dict", [[part, "array"]]]]]]
        if part
        else ["dict", [["output", lists]]]
    )
    right, mine = (
        Outcome(structure, {other: np.float32([value if other == leaf else 0]) for other in leaf_paths(structure)})
        for value in (1, 2)
    )
    assert explained(right, mine)[0] == f"1 of 1 values of {subject} differs, by up to 1"


def test_a_wrong_dtype():
    """The two dtypes are told with the rule, which is another one for a mask."""
    assert explained(array([1]), array([1], "bfloat16"), arrays={"x": np.zeros(1)}) == (
        "the output has dtype bfloat16; expected float32",
        "",
        "The output has the input's dtype.",
    )
    assert explained(array([1]), array([1], "int32")) == ("the output has dtype int32; expected float32", "", "")
    assert explained(array([1], bool), array([1])) == (
        "the output has dtype float32; expected bool",
        "",
        "A mask is boolean; True means: may attend.",
    )


@pytest.mark.parametrize(
    "expected, came, allowed, summary",
    [
        (array([1, 2]), array([1, 2.5]), 0.001, "1 of 2 values of the output differs, by up to 0.5 (allowed: 0.001)"),
        (array([1, 2]), array([0, 12.34]), 3e-6, "2 of 2 values of the output differ, by up to 10 (allowed: 3e-06)"),
        (array([1, 2], "int32"), array([1, 5], "int32"), 0.5, "1 of 2 values of the output differs, by up to 3"),
        (array([True, True], bool), array([False, False], bool), 0, "2 of 2 values of the output differ"),
        (array([1, 2]), array([np.nan, 2]), 0.1, "1 of 2 values of the output is NaN"),
        (array([1, 2, 3]), array([np.nan, np.inf, 9]), 0.1, "2 of 3 values of the output are NaN or infinite"),
        (array([1, 2]), array([np.inf, -np.inf]), 0.1, "2 of 2 values of the output are infinite"),
        (array(1), array(2), 0, "1 of 1 values of the output differs, by up to 1"),
    ],
)
def test_wrong_values(expected, came, allowed, summary):
    """How many values, of how many, by how much, and how much is allowed; NaN and infinities before differences."""
    assert explained(expected, came, allowed=allowed) == (summary, "", "")


def test_wrong_values_in_one_of_several_arrays():
    """A gradient is named by its input, another array by its path."""
    assert (
        explained(grads(q=[1], k=[1]), grads(q=[1], k=[3]), "grad")[0]
        == "1 of 1 values of the gradient for k differs, by up to 2"
    )
    right = grads(output=[1], cache=[1])
    assert (
        explained(right, grads(output=[1], cache=[3]))[0] == "1 of 1 values of cache of the output differs, by up to 2"
    )
    assert explained(right, grads(output=[2], cache=[1]))[0] == "1 of 1 values of the output differs, by up to 1"


def test_traced_again():
    """A body that is traced for each call is told the number and the likely cause."""
    expected, came = (
        Outcome(["dict", [["traces", "array"]]], {"traces": np.asarray(count, np.int32)}) for count in (1, 2)
    )
    assert explained(expected, came, "traces") == (
        "the body was traced 2 times for two calls with the same shapes; once is enough",
        "",
        "What changes from call to call must be an array, not a Python value: "
        "a counter kept on the module or in a global forces a new trace.",
    )


def test_wrong_values_of_the_second_call():
    """When a module's second call under jit is wrong, the sentence is about its values and not about traces."""
    right, wrong = grads(output=[1], traces=[1]), grads(output=[3], traces=[1])
    assert explained(right, wrong, "traces")[0] == "1 of 1 values of the output differs, by up to 2"


def test_a_leaked_tracer():
    """A value that outlives its call is told as such, with the way to look at one."""
    expected, came = (
        Outcome(["dict", [["leaked", "array"]]], {"leaked": np.asarray(count, np.int32)}) for count in (0, 5)
    )
    assert explained(expected, came, "leaks") == (
        "an intermediate value outlives the call: the file keeps a tracer in a global, a list or an attribute",
        "",
        "Keep nothing between calls. To look at a value, use `jax.debug.print`, or return it.",
    )


REFUSED = Outcome(failure=Failure("ValueError"))


def test_who_refuses_what_the_contract_allows_is_told_so():
    """An error that a line of the file raises itself is no riddle of JAX: the line asks for too much. Where another
    error is expected, it does not."""
    own = Outcome(failure=Failure("ValueError", (), "widths differ", ((9, "sdpa", '    raise ValueError("no")'),)))
    assert explained(array(1.0), own) == (
        "line 9 raises ValueError: widths differ",
        "",
        "The line is your own, and the contract allows what comes here. See what the stub says of the arguments and "
        "their shapes, and refuse no more than that.",
    )
    expected = Outcome(failure=Failure("TypeError", (), "refused"))
    assert explained(expected, own)[2] == ""


def test_an_error_that_was_expected_and_did_not_come():
    """Whether the module was made and called, or only its parameters do not fit, nothing was raised where something
    should be."""
    told = (
        "ValueError was expected, and nothing was raised",
        "",
        "The contract asks for `raise ValueError(...)` here.",
    )
    assert explained(REFUSED, array([1])) == told
    assert explained(REFUSED, Outcome(failure=Failure("ParameterMismatch"))) == told


def test_another_error_than_the_expected_one():
    """Both errors are told."""
    other = Outcome(failure=Failure("TypeError", (), "no", LINES))
    assert explained(REFUSED, other) == ("ValueError was expected; instead line 9 raises TypeError: no", "", "")


def test_an_error_outside_the_students_lines_in_a_case_passed_by_name():
    """A wrapper that only takes positions fails in a case passed by name; the advice says so, unless the error has one
    of its own."""
    by_name = (
        "This case passes its arguments by name, as a caller may. "
        "A bare `jax.vmap(..., in_axes=(...))` takes them by position only: call it inside a `def`."
    )
    failed = Outcome(failure=Failure("ValueError", (), "vmap in_axes must be ..."))
    assert explained(array([1]), failed, by_name=True) == (
        "the call raises ValueError: vmap in_axes must be ...",
        "",
        by_name,
    )
    assert explained(array([1]), failed)[2] == ""
    assert explained(array([1]), Outcome(failure=Failure("ValueError", (), "mine", LINES)), by_name=True)[2] == ""
    assert (
        explained(array([1]), Outcome(failure=Failure("ParameterMismatch")), by_name=True)[2]
        == "Mend the parameters first."
    )


def test_variables_that_are_not_the_contracts():
    """Missing, superfluous and different variables stand in one list by name, those that agree are left out, other
    dtypes are shown."""
    expected = variables(
        ("a.kernel", "Param", [2, 2], "float32"),
        ("b.kernel", "Param", [2, 3], "float32"),
        ("c", "Cache", [], "int32"),
        ("d", "Param", [1], "float32"),
    )
    came = variables(
        ("a.bias", "Param", [2], "float32"),
        ("a.kernel", "Param", [2, 2], "float32"),
        ("b.kernel", "Param", [3, 2], "bfloat16"),
        ("c", "Param", [], "int32"),
    )
    assert explained(expected, came, "parameters", module=True) == (
        "the module does not hold the variables of the contract",
        "+ a.bias    Param (2,) is not in the contract\n"
        "! b.kernel  Param (3, 2) bfloat16, expected Param (2, 3) float32\n"
        "! c         Param () int32, expected Cache () int32\n"
        "- d         Param (1,) is missing",
        "What counts is the name, kind, shape and dtype; initial values are free unless the contract gives them.",
    )


def test_an_array_beside_the_variables():
    """A plain array on a module is told as what it is, with what to do in its place; an initial value that is another
    is told by its name."""
    expected = variables(("q.kernel", "Param", [2, 2], "float32"))
    came = variables(("q.kernel", "Param", [2, 2], "float32"), ("scale", "array", [], "float32"))
    assert explained(expected, came, "parameters", module=True) == (
        "the module does not hold the variables of the contract",
        "+ scale     array () is not in the contract",
        "An array that is an attribute is state, which `nnx.split` hands out: keep Python numbers (`math.sqrt(...)`), "
        "or compute it in `__call__`.",
    )
    given = [
        Outcome(
            ["variables", [["log_alpha", "Param", [2], "float32", True]]], {"log_alpha": np.full(2, value, np.float32)}
        )
        for value in (0, 1)
    ]
    assert (
        explained(*given, "parameters", module=True)[0] == "2 of 2 values of the initial `log_alpha` differ, by up to 1"
    )


def test_a_module_that_cannot_be_constructed():
    """An error in the constructor is told like any other."""
    failed = Outcome(failure=Failure("TypeError", (), "no", LINES))
    assert explained(variables(), failed, "parameters", module=True)[0] == "line 9 raises TypeError: no"
