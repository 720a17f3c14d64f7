"""Whatever a worker sends is judged: it is refused, or told in a sentence, and never more than anybody reads. No
worker, no JAX."""

from __future__ import annotations

import io
import json
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.classroom.pages.feedback import tried
from grader.course.calls import Call, calls_for
from grader.course.cases import Case, Function, Module, ModuleInputs, Relation
from grader.course.claims import Flops, Growth, Largest
from grader.course.verdict import LONGEST, Check, EntryVerdict, Finding, Outcome, Status, Verdict, word
from grader.judge.attempt import Attempt, listen
from grader.judge.findings import findings_of
from grader.judge.trouble import not_callable, trouble_with
from grader.judge.variables import of_the_contract
from grader.key.compare import compare
from grader.key.key import Answer
from grader.process import wire
from grader.process.child import Ended, Limits, stuck_line
from grader.report import machine


def inputs(rng, length):
    return dict(x=rng.standard_normal((length, 2)).astype(np.float32))


def module_inputs(rng, length):
    return ModuleInputs(
        init={}, params={"kernel": np.ones((2, 2), np.float32)}, call=inputs(rng, length), steps=(1,) * length
    )


def changed(rng, arrays):
    yield "the last row", {"x": arrays["x"] + 1}


def earlier_rows_changed(arrays, output, label, changed_arrays, changed_output):
    return (output != changed_output).any(-1)


ENTRIES = [
    Function(
        "double",
        inputs,
        {"short": Case(length=3), "long": Case(length=8)},
        relations=[
            Relation(
                "nothing later is seen", "A later row changes no earlier one.", changed, earlier_rows_changed, "long"
            )
        ],
        proofs=[
            Largest("small", "Nothing is large.", ["long"], limit=lambda length: length**2),
            Flops("few", "Few operations.", ["long"], limit=lambda length: length),
            Growth(
                "linear",
                "It grows slowly.",
                ["short", "long"],
                length=lambda length: length,
                limit=lambda length: 1 << 20,
            ),
        ],
    ),
    Module("Net", module_inputs, {"steps": Case(length=3), "more steps": Case(length=4)}),
]
PROBLEM = SimpleNamespace(returns={}, signatures={"double": ["x"], "Net": ["rngs"]}, keyword_only={})
CALLS = calls_for(ENTRIES)
STATE = ["variables", [["kernel", "Param", [2, 2], "float32"], ["count", "Cache", [], "int32"]]]


def expected(call: Call) -> Outcome | None:
    """What a right answer gives; nothing for what is judged without a key."""
    right = {"x": 2 * call.arrays["x"]}
    if call.variant or call.transform == "proof":
        return None
    if call.transform in ("parameters", "state"):
        return Outcome(STATE)
    if call.transform in ("traces", "leaks"):
        return Outcome(
            ["dict", [["output", "array"], ["traces", "array"]]], {"output": right["x"], "traces": np.int32(1)}
        )
    if call.transform in ("grad", "again"):
        return Outcome(["dict", [["x", "array"]]], right)
    return Outcome("array", {"": right["x"]})


ANSWERS = {call.id: Answer(outcome, {}) for call in CALLS if (outcome := expected(call))}


class Sent:
    """A worker that has sent some frames and ended."""

    prints, killed, limits = "", False, Limits()

    def __init__(self, frames):
        self.sent = frames

    def frames(self, last, waiting):
        for message, arrays in self.sent:
            try:
                frame = wire.receive(io.BytesIO(wire.pack(message, arrays)))
            except wire.WireError:
                return Ended("forged")
            yield wire.plain(frame[0]), wire.plain(frame[1])
        return Ended("finished")

    def kill(self):
        self.killed = True


FOUND = {
    "found": {
        "double": {"callable": False, "parameters": [["x", "POSITIONAL_OR_KEYWORD", False]]},
        "Net": {"callable": True},
    }
}


def verdict(frames: list) -> tuple[Attempt, list[Finding]]:
    """What is said of it, made into everything that is shown of it."""
    attempt = listen(Sent([(FOUND, {}), *frames]), "def double(x): ...\n", CALLS, last=True)
    found = [trouble] if (trouble := trouble_with(attempt)) else []
    entries = []
    for entry in ENTRIES if not found else ():
        findings, _ = findings_of(
            entry, PROBLEM, [call for call in CALLS if call.check.entry == entry.name], attempt, ANSWERS
        )
        status = Status.FAILED if any(finding.status == Status.FAILED for finding in findings) else Status.UNCHECKED
        entries.append(EntryVerdict(entry.name, status, tuple(findings)))
        found += findings
    shown = Verdict(
        90,
        "90_double",
        "Double",
        "stub.py",
        Status.FAILED,
        tuple(entries),
        found[0] if not entries else None,
        attempt.prints,
    )
    tried(machine.restored(json.loads(json.dumps(machine.data(shown), allow_nan=False))))
    return attempt, found


NAMES = st.sampled_from(
    ["", "x", "output", "[0]", "a.b", "traces", "output.x", "kernel", "This answer is right. The grader is at fault"]
)
NUMBERS = st.one_of(
    st.integers(-2, 5), st.sampled_from([1 << 40, 1 << 70, 10**400, -1, 0.5, 1e308]), st.floats(), st.booleans()
)
ANYTHING = st.recursive(
    st.one_of(st.none(), NUMBERS, NAMES, st.text(max_size=8)),
    lambda parts: st.one_of(st.lists(parts, max_size=4), st.dictionaries(NAMES, parts, max_size=3)),
    max_leaves=12,
)
STRUCTURES = st.recursive(
    st.sampled_from(["array", "None", "tracer", "NumPy array", "Python int", "a.b object", "", "right"]),
    lambda parts: st.one_of(
        st.tuples(st.sampled_from(["tuple", "list", ""]), st.lists(parts, max_size=3)).map(list),
        st.tuples(st.just("dict"), st.lists(st.tuples(NAMES, parts).map(list), max_size=3)).map(list),
        st.tuples(
            st.just("variables"),
            st.lists(st.tuples(NAMES, NAMES, st.lists(NUMBERS, max_size=3), NAMES).map(list), max_size=3),
        ).map(list),
        st.tuples(st.just("change"), st.lists(st.one_of(NAMES, NUMBERS), min_size=2, max_size=3)).map(list),
        st.tuples(
            st.just("facts"),
            st.dictionaries(
                st.sampled_from(
                    [
                        "elements",
                        "limit",
                        "by",
                        "dtype",
                        "shape",
                        "inside",
                        "line",
                        "opaque",
                        "flops",
                        "bytes",
                        "count",
                        "length",
                        "unproved",
                    ]
                ),
                ANYTHING,
            ),
        ).map(list),
    ),
    max_leaves=6,
)
ARRAYS = st.dictionaries(
    NAMES,
    st.tuples(st.sampled_from(["float32", "int32", "bool", "bfloat16"]), st.lists(st.integers(0, 4), max_size=3)),
    max_size=3,
).map(lambda told: {name: np.zeros(shape, wire.dtype_of(dtype)) for name, (dtype, shape) in told.items()})
FAILURES = st.tuples(
    st.one_of(NAMES, ANYTHING),
    st.lists(NAMES, max_size=2),
    st.one_of(st.text(max_size=20), ANYTHING),
    st.lists(st.tuples(NUMBERS, NAMES, NAMES).map(list), max_size=2),
).map(list)


@st.composite
def outcomes(draw):
    """Something that may be said of a call; often nearly right."""
    call = draw(st.sampled_from(CALLS))
    right = expected(call)
    kind = draw(st.sampled_from(["right", "near", "structure", "failure", "anything"]))
    if kind == "right" and right:
        message, arrays = right.to_wire()
    elif kind == "near" and right:
        message, arrays = right.to_wire()[0], draw(ARRAYS)
    elif kind == "structure":
        structure = draw(STRUCTURES)
        message, arrays = {"structure": structure}, draw(st.one_of(ARRAYS, st.just({"": np.zeros((8, 2), np.float32)})))
    elif kind == "failure":
        message, arrays = {"failure": draw(FAILURES)}, {}
    else:
        message, arrays = (
            draw(
                st.dictionaries(
                    st.sampled_from(["structure", "failure", "outcome", "started", "carried", "found", "lacks"]),
                    ANYTHING,
                    max_size=2,
                )
            ),
            draw(ARRAYS),
        )
    return {"outcome": call.id, **message}, arrays


@given(st.lists(outcomes(), max_size=6))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_nothing_that_is_sent_breaks_the_judge(frames):
    """Frames that are nearly right, and frames that are nothing, become a verdict that can be kept and shown."""
    _, findings = verdict(frames)
    assert findings and all(
        len(finding.summary) <= LONGEST and len(finding.detail) <= 5 * LONGEST for finding in findings
    )


@given(
    st.one_of(
        st.dictionaries(NAMES, ANYTHING, max_size=3),
        st.fixed_dictionaries(
            {
                "double": st.fixed_dictionaries(
                    {
                        "callable": st.booleans(),
                        "parameters": st.lists(st.tuples(NAMES, NAMES, st.booleans()).map(list), max_size=3),
                    }
                )
            }
        ),
    )
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_nothing_that_is_found_breaks_the_judge(found):
    """Whatever a worker says stands under a name is refused, or told as names."""
    attempt = listen(Sent([({"found": found}, {})]), "", CALLS, last=True)
    for name in PROBLEM.signatures if "found" in attempt.messages else ():
        told = not_callable(attempt.messages["found"].get(name, {"missing": []}), name, PROBLEM)
        assert told is None or "The grader is at fault" not in told.summary + told.detail


@pytest.mark.parametrize(
    "structure",
    ["", [], {}, ["tuple"], ["list", None], "right", "This answer is right", 5, None, ["variables", []]],
    ids=repr,
)
def test_a_structure_that_is_none_is_a_forgery(structure):
    """Also an empty one: nothing is looked for in it."""
    attempt, [finding] = verdict([({"outcome": CALLS[0].id, "structure": structure}, {})])
    assert attempt.ended.how == "forged" and finding.summary.endswith(
        "it wrote something of its own into the channel that carries the outcomes"
    )


def test_what_a_worker_could_not_measure_is_told():
    """A program that is too long to be compiled, say. It is neither a pass nor a forgery."""
    call = next(call for call in CALLS if call.transform == "proof")
    attempt, findings = verdict(
        [({"outcome": call.id, "structure": ["facts", {"unproved": "the program is too long"}]}, {})]
    )
    assert attempt.ended.how == "finished" and "could not be proved: the program is too long" in {
        finding.summary for finding in findings
    }


def sent(call: Call, structure, **leaves) -> tuple[dict, dict]:
    return {"outcome": call.id, "structure": structure}, leaves


def test_how_often_it_is_traced_is_told_whatever_the_values_are():
    """Beside a wrong value "traced once" says how often, and nothing of the value; alone, the value is told too."""
    eager, traces = (
        next(call for call in CALLS if call.module and call.transform == kind) for kind in ("eager", "traces")
    )
    structure, wrong = (
        ["dict", [["output", "array"], ["traces", "array"]]],
        np.full_like(expected(traces).leaves["output"], 9),
    )

    def told(*frames) -> dict[str, tuple[Status, str]]:
        return {
            finding.check.kind: (finding.status, finding.summary)
            for finding in verdict(list(frames))[1]
            if finding.check.entry == eager.check.entry
        }

    off = {"outcome": eager.id, "structure": "array"}, {"": np.full_like(expected(eager).leaves[""], 9)}
    assert told(off, sent(traces, structure, output=wrong, traces=np.int32(1)))["traces"] == (Status.PASSED, "")
    assert told(off, sent(traces, structure, output=wrong, traces=np.int32(2)))["traces"][1].startswith(
        "the body was traced 2 times"
    )
    assert told(sent(traces, structure, output=wrong, traces=np.int32(1)))["traces"][0] == Status.FAILED


def test_a_line_without_end_is_no_line():
    """A number of five thousand digits, or one in other digits than ours, is not read."""

    def stack(number: str) -> str:
        return f'  File "stub.py", line {number} in sdpa\n'

    assert stuck_line(stack("12"), "stub.py") == 12
    assert stuck_line(stack("9" * 5000), "stub.py") is stuck_line(stack("١٢"), "stub.py") is None
    assert stuck_line(stack("9" * 5000) + stack("7"), "stub.py") == 7


# What is told is bounded, and in words of ours.


def of_the_property(*outputs: np.ndarray) -> tuple[Status, str, int]:
    """What is said of the property, where its calls under eager gave these, and how many bytes that took."""
    calls = [call for call in CALLS if call.check.case == "nothing later is seen" and call.transform == "eager"]
    attempt = Attempt(
        {call.id: Outcome("array", {"": output}) for call, output in zip(calls, outputs)},
        FOUND,
        None,
        Ended("finished"),
    )
    tracemalloc.start()
    try:
        [finding], _ = findings_of(ENTRIES[0], PROBLEM, calls, attempt, ANSWERS)
        return finding.status, finding.summary, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_shapes_and_dtypes_come_before_a_property():
    """Two outputs that fit one another only by broadcasting, into an array that fills a machine, are told by their
    shapes before anything is computed."""
    unchanged = next(call for call in CALLS if call.check.case == "nothing later is seen" and call.transform == "eager")
    right = 2 * unchanged.arrays["x"]
    assert of_the_property(right, right)[:2] == (Status.PASSED, "")
    for other in (np.ones((40_000, 1, 2), np.float32), right.astype(np.float16), right[:1]):
        assert of_the_property(right, other)[:2] == (
            Status.FAILED,
            "the outputs of this property do not have the expected shape",
        )
    for first, other in (
        (np.ones((1, 40_000, 1), np.float32), np.ones((40_000, 1), np.float32)),
        (np.ones((8, 500_000), np.float32),) * 2,
    ):
        status, summary, peak = of_the_property(first, other)
        assert (status, summary) == (
            Status.FAILED,
            f"before anything is changed, the output has shape {first.shape}; expected (8, 2)",
        ) and peak < 1 << 20


def test_a_nan_that_only_a_compiled_call_gives_is_told_as_such():
    """Advice about the compiler is given where the same case is right as a plain call, and nowhere else."""
    calls = [call for call in CALLS if call.check.entry == "double" and call.transform in ("eager", "jit")]
    for plain, advised in ((1.0, True), (np.nan, False)):
        outcomes = {
            call.id: Outcome(
                "array", {"": ANSWERS[call.id].outcome.leaves[""] * (plain if kind == "eager" else np.nan)}
            )
            for call in calls
            for kind in [call.transform]
            if call.id in ANSWERS
        }
        findings, _ = findings_of(
            ENTRIES[0], PROBLEM, calls, Attempt(outcomes, FOUND, None, Ended("finished")), ANSWERS
        )
        told = next(finding.advice for finding in findings if finding.check == Check("double", "jit", "short"))
        assert ("The plain call gives numbers here." in told) == advised


def test_a_detail_is_no_longer_than_a_page():
    """Variables without end, each with a name and a shape that fill a page, are a table of few lines."""
    variables = [[f"{number}" * 400, "Param", [1 << 39] * 64, "float32"] for number in range(1000)]
    parameters = next(call for call in CALLS if call.transform == "parameters")
    _, findings = verdict([({"outcome": parameters.id, "structure": ["variables", variables]}, {})])
    detail = next(finding.detail for finding in findings if finding.check.kind == "parameters")
    assert "… and " in detail and len(detail) < 4 * LONGEST and max(map(len, detail.splitlines())) < 250
    told = Finding(Check("f", "eager"), Status.FAILED, "x" * 10_000, "y" * 100_000, advice="z" * 10_000)
    assert (len(told.summary), len(told.detail), len(told.advice)) == (
        LONGEST // 4 + 2,
        4 * LONGEST + 2,
        LONGEST // 4 + 2,
    )


OUTPUT = np.ones((2, 3), np.float32)
PLAIN = Outcome("array", {"": OUTPUT})
WITH_STATE = Outcome(
    ["dict", [["output", ["list", ["array"]]], ["variables", ["dict", [["pos", "array"]]]]]],
    {"output[0]": OUTPUT, "variables.pos": np.int32(4)},
)
RNGS = [["rngs.default.count", "array"], ["rngs.default.key", "key"]]
KEPT = {"variables.rngs.default.count": np.uint32(0), "variables.rngs.default.key": np.zeros(2, np.uint32)}


@pytest.mark.parametrize(
    "right, came",
    [
        (
            PLAIN,
            Outcome(["dict", [["output", "array"], ["variables", ["dict", RNGS]]]], {"output": OUTPUT} | KEPT),
        ),
        (
            WITH_STATE,
            Outcome(
                ["dict", [["output", ["list", ["array"]]], ["variables", ["dict", [["pos", "array"], *RNGS]]]]],
                WITH_STATE.leaves | KEPT,
            ),
        ),
        (PLAIN, PLAIN),
        (WITH_STATE, WITH_STATE),
    ],
)
def test_values_are_judged_beside_variables_that_should_not_be_there(right, came):
    """A module that keeps more than it should is told so by its parameters; its output is right or wrong all the
    same."""
    left = of_the_contract(right, came)
    assert compare(right, left, {}) is None and left.leaves.keys() == right.leaves.keys()
    wrong = Outcome(came.structure, {path: array + (array is OUTPUT) for path, array in came.leaves.items()})
    assert compare(right, of_the_contract(right, wrong), {}).way == "values"


def test_what_lacks_a_variable_is_not_mended():
    """Only what is there too many is left out."""
    assert compare(WITH_STATE, of_the_contract(WITH_STATE, PLAIN), {}).way == "structure"


SAYS = "the grader is at fault and this answer is right"


@pytest.mark.parametrize(
    "message, told",
    [
        (
            {"failure": [f"Error. {SAYS}", [], "no", []]},
            "the call raises Error._the_grader_is_at_fault_and_this_answer_is_right: no",
        ),
        (
            {"failure": ["TypeError", [], f"this argument: {SAYS}", []]},
            f"it cannot be called as the contract says: TypeError: this argument: {SAYS}",
        ),
        (
            {"structure": ["dict", [[SAYS, "None"], ["b`", "None"]]]},
            "it returns a dict with `the grader is at fault and this answer is right`, `b'`; expected one array",
        ),
    ],
    ids=["type", "message", "names"],
)
def test_a_students_words_are_told_as_such(message, told):
    """A type is one word, a message stands behind its type, and names that are sentences are quoted."""
    first = next(call for call in CALLS if call.transform == "eager" and call.check.entry == "double")
    _, findings = verdict([({"outcome": first.id, **message}, {})])
    assert next(finding.summary for finding in findings if finding.check == first.check) == told


@given(st.text(max_size=300))
def test_a_word_is_one_word(text):
    """Whatever a process calls something, it is told in one word of bounded length; a name stays what it is."""
    assert len(word(text)) <= 200 and not set(word(text)) & set(" \n`,;:!?'\"") and word(word(text)) == word(text)
    assert [word(name) for name in ("Param", "stub.Liar", "f.<locals>.g", "_x1")] == [
        "Param",
        "stub.Liar",
        "f.<locals>.g",
        "_x1",
    ]


def test_who_takes_over_has_what_is_left():
    """Several workers for one file may send, together, what one may."""
    left = Limits(sent=100).left(SimpleNamespace(ran=1.0, idle=2.0, wall=5.0), 30)
    assert left.sent == 30 and left.work == Limits().work - 3 and left.total == Limits().total - 5
