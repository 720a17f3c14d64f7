"""The part of the work that a verdict names where no mistake explains it: seen in the outputs, or not told."""

import numpy as np
import pytest

from grader.course.calls import calls_for
from grader.course.cases import Case, Function, Part
from grader.course.problem import course_root, discover
from grader.course.verdict import Check, Difference, Finding, Outcome, Status
from grader.judge.parts import part_at_fault, told_part
from grader.key.key import Answer

LARGE = 1 << 18  # scores of a case that is left out here


@pytest.fixture(scope="module")
def tiled():
    """The entry of the tiled kernel, with its small cases as calls and their right answers."""
    problem = next(problem for problem in discover(course_root()) if problem.number == 40)
    (entry,) = problem.entries
    calls = [
        call
        for call in calls_for(problem.entries)
        if call.check.kind in ("eager", "jit")
        and call.check.case in entry.cases
        and call.arrays["q"].shape[1] * call.arrays["k"].shape[1] < 1 << 15
    ]
    return entry, calls, {call.id: Answer(Outcome("array", {"": kernel(call)}), {"": allowed(call)}) for call in calls}


def allowed(call):
    return 4e-2 if call.arrays["q"].dtype.name == "bfloat16" else 2e-5


def kernel(
    call,
    *,
    block_k=None,
    turns=None,
    start=None,
    place=None,
    key_place=None,
    sees=None,
    carry=None,
    heads=None,
    unwritten=None,
):
    """A tiled kernel in NumPy, of which any part can be another one."""
    inputs = call.arguments(call.arrays)
    q, k, v = (inputs[name].astype(np.float64) for name in "qkv")
    shift, causal = k.shape[1] - q.shape[1], inputs.get("causal", False)
    block_q, block_k = inputs.get("block_q", 128), block_k or inputs.get("block_k", 128)
    blocks = -(-k.shape[1] // block_k)
    k, v = (np.pad(x, ((0, 0), (0, -x.shape[1] % block_k), (0, 0))) for x in (k, v))
    output = np.full((q.shape[0], -(-q.shape[1] // block_q) * block_q, q.shape[2]), np.nan)
    for head, block in np.ndindex(q.shape[0], output.shape[1] // block_q):
        rows = block * block_q + np.arange(block_q)
        mine = np.pad(q[head], ((0, output.shape[1] - q.shape[1]), (0, 0)))[rows]
        m, total, o = np.full((block_q, 1), -1e30), np.zeros((block_q, 1)), np.zeros((block_q, q.shape[2]))
        end = min(max(-(-((block + 1) * block_q + shift) // block_k), 0), blocks) if causal else blocks
        for turn in range(end if turns is None else turns(head, block, end, inputs)):
            at = (
                slice(turn * block_k, (turn + 1) * block_k)
                if start is None
                else slice(start(turn), start(turn) + block_k)
            )
            other = head if heads is None else heads(head)
            columns = (turn * block_k if key_place is None else key_place(turn)) + np.arange(block_k)
            query = (rows if place is None else place(rows, block_q)) + shift
            visible = (columns < inputs["k"].shape[1]) & (
                (columns <= query[:, None] if sees is None else sees(columns, query[:, None])) | (not causal)
            )
            scores = np.where(visible, mine @ k[other, at].T / q.shape[2] ** 0.5, -np.inf)
            new = np.maximum(m, scores.max(1, keepdims=True))
            weights, shrink = np.exp(scores - new), np.exp(m - new)
            state = new, shrink * total + weights.sum(1, keepdims=True), shrink * o + weights @ v[other, at]
            m, total, o = state if carry is None else carry((m, total, o), state, weights, v[other, at])
        if unwritten is None or not unwritten(head, block, output.shape[1] // block_q):
            output[head, rows] = o / np.where(total == 0, 1, total)
    return output[:, : q.shape[1]].astype(inputs["q"].dtype)


def told(tiled, **other):
    entry, calls, answers = tiled
    part = part_at_fault(
        entry, calls, {call.id: Outcome("array", {"": kernel(call, **other)}) for call in calls}, answers
    )
    return part.sentence if part else ""


FAULTS = {
    "The carry: each wrong row is the attention over the last key block alone.": dict(
        carry=lambda old, new, weights, values: (new[0], weights.sum(1, keepdims=True), weights @ values)
    ),
    "The slice: each wrong row is what comes out when turn j reads the rows from j on.": dict(start=lambda turn: turn),
    "The slice, or the keys' index map: each wrong row is the attention over the first key block": dict(
        start=lambda turn: 0
    ),
    "The bound of the loop: each wrong row is the attention without the last key block": dict(
        turns=lambda head, block, end, inputs: end - 1
    ),
    "The bound of the loop: each wrong row is the attention over the key blocks up to the number of its query "
    "block.": dict(turns=lambda head, block, end, inputs: min(block + 1, end) if inputs.get("causal") else end),
    "The mask: each wrong row is the attention without the last key that its query sees.": dict(
        sees=lambda key, query: key < query
    ),
    "The mask: each wrong row is the attention over every key of the blocks that are visited": dict(
        sees=lambda key, query: key == key
    ),
    "The mask: each wrong row is the attention over the keys from its query's place on": dict(
        sees=lambda key, query: key >= query
    ),
    "The mask: each wrong row is what comes out when a key's number is counted from the first of its block.": dict(
        key_place=lambda turn: 0
    ),
    "The mask: each wrong row is what comes out when a query's number is counted from the first of its block.": dict(
        place=lambda rows, block_q: rows % block_q
    ),
    "The sum or the division: each wrong row is the right one times a number.": dict(
        carry=lambda old, new, weights, values: (new[0], old[1] + weights.sum(1, keepdims=True), new[2])
    ),
    "The loop over key blocks: with one block everything is right": dict(
        carry=lambda old, new, weights, values: (new[0], new[1], old[2] + weights @ values)
    ),
    "The grid or an index map: only heads after the first are wrong.": dict(heads=lambda head: 0),
    "The grid: only the queries of a last block that is not full are wrong.": None,
    "The output's or the queries' index map: only query blocks between the first and the last are wrong.": dict(
        unwritten=lambda head, block, blocks: 0 < block < blocks - 1
    ),
    "The grid or an index map: only query blocks after the first are wrong.": dict(
        unwritten=lambda head, block, blocks: block > 0
    ),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_kernel_with_one_wrong_part_is_told_that_part(tiled, sentence):
    """Each part of the kernel, put wrong in a kernel of NumPy, is the one that is told."""
    if FAULTS[sentence] is None:
        entry, calls, answers = tiled
        outcomes = {}
        for call in calls:
            output, block_q = kernel(call).copy(), call.static.get("block_q", 128)
            output[:, output.shape[1] // block_q * block_q :] = np.nan
            outcomes[call.id] = Outcome("array", {"": output})
        assert part_at_fault(entry, calls, outcomes, answers).sentence.startswith(sentence)
    else:
        assert told(tiled, **FAULTS[sentence]).startswith(sentence)


@pytest.mark.parametrize("size", (16, 32))
def test_a_part_is_told_of_a_kernel_that_rounds_its_blocks_up(tiled, size):
    """What a part claims does not depend on the blocks being those that a case asks for."""
    assert told(tiled, turns=lambda head, block, end, inputs: end - 1).startswith("The bound of the loop")
    assert told(tiled, block_k=size) == ""


def test_a_kernel_that_is_right_or_wrong_everywhere_is_told_no_part(tiled):
    """A part is told only where something outside of it is right, or where the output is what its fault gives."""
    entry, calls, answers = tiled
    assert told(tiled) == ""
    random = {
        call.id: Outcome(
            "array",
            {"": np.random.default_rng(call.id).standard_normal(kernel(call).shape).astype(call.arrays["q"].dtype)},
        )
        for call in calls
    }
    assert part_at_fault(entry, calls, random, answers) is None


def square(rng, rows, dead=False):
    return dict(x=np.arange(1.0, rows + 1, dtype=np.float32) * (0 if dead else 1))


ENTRY = Function(
    "f",
    square,
    cases={"one": Case(rows=1), "two": Case(rows=2), "three": Case(rows=3)},
    parts=[
        Part("the third", needed=lambda inputs, shape: np.arange(*shape) == 2),
        Part("what comes after the first", needed=lambda inputs, shape: np.arange(*shape) > 0),
        Part("twice", shown=lambda inputs, expected, came: bool((came == 2 * expected).all())),
        Part("all of it", needed=lambda inputs, shape: True),
    ],
)
CALLS = [call for call in calls_for([ENTRY]) if call.check.kind == "eager"]
RIGHT = {call.id: Answer(Outcome("array", {"": call.arrays["x"]}), {"": 0.0}) for call in CALLS}


def part_of(change):
    part = part_at_fault(ENTRY, CALLS, {call.id: change(call.arrays["x"]) for call in CALLS}, RIGHT)
    return part and part.sentence


def array(value):
    return Outcome("array", {"": value})


def test_the_first_part_that_holds_every_wrong_value_is_told():
    """The parts are tried in order; one that every value needs is never told, nor one of whose cases most are right."""
    assert part_of(lambda x: array(np.where(x == 3, 0, x).astype(np.float32))) == "the third"
    assert part_of(lambda x: array(np.where(x > 1, 0, x).astype(np.float32))) == "what comes after the first"
    assert part_of(lambda x: array(2 * x)) == "twice"
    assert part_of(lambda x: array(0 * x)) is None
    assert part_of(array) is None


def test_nothing_is_told_of_a_run_that_was_cut_short():
    """Of a case that did not come back nobody knows whether it is right."""
    outcomes = {call.id: array(2 * call.arrays["x"]) for call in CALLS}
    assert part_at_fault(ENTRY, CALLS, outcomes, RIGHT).sentence == "twice"
    assert part_at_fault(ENTRY, CALLS, dict([*outcomes.items()][:-1]), RIGHT) is None


def test_what_raises_or_has_another_shape_is_wrong_as_a_whole():
    """No output shows a part there, and all of its values are wrong."""
    from grader.course.verdict import Failure

    assert part_of(lambda x: Outcome(failure=Failure("ValueError")) if len(x) == 3 else array(x)) is None
    assert part_of(lambda x: array(x[:1])) is None


def test_a_part_is_the_advice_of_a_wrong_value_that_has_none():
    """It takes the place of no other advice, and stands beside no error."""
    part = Part("look here", needed=lambda inputs, shape: True)
    wrong = Difference("", np.zeros(1), np.ones(1), np.ones(1, bool), 1.0, 0.0)
    passed = Finding(Check("f", "eager", "one"), Status.PASSED)
    for finding, advice in (
        (Finding(Check("f", "eager", "two"), Status.FAILED, difference=wrong), "look here"),
        (Finding(Check("f", "eager", "two"), Status.FAILED, difference=wrong, advice="another"), "another"),
        (Finding(Check("f", "eager", "two"), Status.FAILED), ""),
    ):
        assert told_part([passed, finding], part)[1].advice == advice
    assert told_part([passed], None) == [passed]
