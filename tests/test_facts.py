"""Facts are derived anew from the program that was sent, and the outputs that are judged are those of that program:
whatever a stub does to what measures."""

from __future__ import annotations

import ast
import dataclasses
import functools
import linecache
from pathlib import Path

import jax
import numpy as np
import pytest

from grader.course.calls import Call, calls_for
from grader.course.problem import Problem, discover
from grader.course.verdict import Outcome, Status
from grader.judge.attempt import Attempt, listen
from grader.judge.derive import FORMLESS, derive, disguised, programs_of
from grader.judge.findings import findings_of
from grader.judge.grade import Run, ask, grade, start_worker
from grader.judge.trouble import trouble_with
from grader.key.compare import compare
from grader.key.key import Answer
from grader.process.child import Child, Ended, Limits, Process
from grader.process.stub import open_stub
from grader.program import carry
from grader.program import prover as proving
from grader.program.carried import NotCarried
from tests.conftest import PROBLEMS, ROOT

pytestmark = pytest.mark.thorough

CHECKS = """
import numpy as np
from grader.course.cases import Case, Function
from grader.course.claims import Largest

def inputs(rng, length):
    return dict(x=rng.standard_normal(length).astype(np.float32), y=rng.standard_normal(length).astype(np.float32))

ENTRIES = [Function("distances", inputs, cases={"short": Case(length=3, under=("eager", "jit")), "long": Case(length=64, under=("jit",))},
                    proofs=[Largest("nothing square", "Nothing of size T × T may exist.", ["long"], limit=lambda length: length ** 2)])]
"""  # noqa: E501
STUB = '"""The sum of x[i] - y[j] over j."""\n\n\ndef distances(x, y):\n    raise NotImplementedError\n'
PATIENT = Limits(cpu=600, idle=600)  # no limit of time decides
HEAD = "import sys\nimport jax, jax.numpy as jnp\nimport numpy as np\n"
RIGHT = "def distances(x, y):\n    return len(y) * x - y.sum()\n"
NAIVE = "def distances(x, y):\n    return (x[:, None] - y[None, :]).sum(1)\n"


@pytest.fixture
def problem(tmp_path) -> Problem:
    """A problem of its own, small enough for every attack to be tried."""
    folder = tmp_path / "problems" / "90_distances"
    folder.mkdir(parents=True)
    for name, text in {"checks.py": CHECKS, ".stub.py": STUB, "README.md": "# 90 · Distances\n"}.items():
        (folder / name).write_text(text)
    return Problem(90, "distances", folder, None)


class Here:
    """A prover in this process, for what needs none of its own."""

    limits = Limits()

    def __init__(self, ended: str = "finished"):
        self.ended = ended

    def send(self, frames):
        (order, _), *rest = frames
        linecache.cache[order["path"]] = (
            len(order["source"]),
            None,
            order["source"].splitlines(keepends=True),
            order["path"],
        )
        self.path, self.counts, self.rest = order["path"], order["programs"], iter(rest)

    def frames(self):
        told: list = []
        for count in self.counts:
            (message, arrays), calls = next(self.rest), [Call.from_wire(*next(self.rest)) for _ in range(count)]
            yield {"reading": calls[0].id}, {}
            if self.ended != "finished":
                return Ended(self.ended)
            proving.answer(
                message, arrays, calls, self.path, lambda message, arrays=None: told.append((message, arrays))
            )
            yield from ((message, arrays or {}) for message, arrays in told)
            told.clear()
        return Ended("finished")

    def kill(self):
        pass


def attempted(problem: Problem, text: str, start=Here) -> tuple[list[Call], Attempt]:
    """What is left of a stub's attempt once its facts are derived."""
    path = problem.folder / "stub.py"
    path.write_text(HEAD + text)
    stub, calls, worker = open_stub(problem, path), calls_for(problem.entries, 5), start_worker(problem, PATIENT)
    ask(Run(problem, stub, worker, calls, disguised(calls, calls_for(problem.entries, 6)), prover=start))
    return calls, derive(listen(worker, stub.source, calls, last=True), calls, str(path), stub.source, start)


def judged(problem: Problem, text: str, start=Here) -> tuple[str, str, bool]:
    """Of a stub: what becomes of its claim, in which words, and whether the outputs under `jit` are right."""
    return verdict_on(problem, *attempted(problem, text, start))


def verdict_on(problem: Problem, calls: list[Call], attempt: Attempt) -> tuple[str, str, bool]:
    if trouble_with(attempt):
        return trouble_with(attempt).status, attempt.ended.how, False
    mine = [call for call in calls if call.transform in ("eager", "jit", "proof")]
    expected = {
        call.id: Outcome("array", {"": len(call.arrays["y"]) * call.arrays["x"] - call.arrays["y"].sum()})
        for call in mine
    }
    findings, _ = findings_of(
        problem.entries[0],
        problem,
        mine,
        attempt,
        {id: Answer(outcome, {"": 1e-3}) for id, outcome in expected.items()},
    )
    (claim,) = (finding for finding in findings if finding.check.kind == "proof")
    long = next(call.id for call in mine if call.transform == "jit" and call.check.case == "long")
    return claim.status, claim.summary, compare(expected[long], attempt.outcomes[long], {"": 1e-3}) is None


def test_calls_are_grouped_by_their_program():
    """The calls of a program are those of its proofs and properties, then those whose outputs are compared; a lowering
    belongs to the program of its case."""
    calls = calls_for(PROBLEMS[40].entries)
    groups = [[(call.check.kind, call.check.case) for call in group] for group in programs_of(calls)]
    assert [
        ("proof", "nothing of size T_q × T_k"),
        ("proof", "one tile at a time"),
        ("jit", "a thousand keys"),
    ] in groups
    assert [("proof", "lowers for the TPU, bfloat16"), ("proof", "lowers for the GPU, bfloat16")] in [
        group[:2] for group in groups
    ]
    assert [("jit", "masked blocks are not read")] * 3 + [("jit", "causal, as many queries as keys")] in groups


def test_a_right_program_passes(problem):
    """An honest stub keeps its claim, and the facts are those of its program."""
    calls, attempt = attempted(problem, RIGHT)
    facts = next(attempt.outcomes[call.id].structure[1] for call in calls if call.transform == "proof")
    assert (facts["elements"], facts["by"], facts["opaque"]) == (64, "mul", "")
    assert verdict_on(problem, calls, attempt) == (
        Status.PASSED,
        "the largest array has 64 elements; fewer than 4096 are allowed",
        True,
    )


def test_a_naive_program_fails_with_its_line(problem):
    """The same sentence and the same line as when the facts are measured in the worker."""
    calls, attempt = attempted(problem, NAIVE)
    status, summary, right = verdict_on(problem, calls, attempt)
    assert (status, right) == (Status.FAILED, True)
    assert (
        summary
        == "Nothing of size T × T may exist. There is an array of shape (64, 64) and type float32, made by `sub`."
    )
    facts = next(attempt.outcomes[call.id].structure[1] for call in calls if call.transform == "proof")
    assert facts["line"] == [5, "distances", "return (x[:, None] - y[None, :]).sum(1)"]


LIARS = {
    "measures that say little": "import grader.program.measure as m\nfor name in m.MEASURES: m.MEASURES[name] = "
    "lambda *a, **o: dict(elements=1, limit=4096, by='', "
    "dtype='', shape=[], inside=[], line=None, opaque='')\n" + NAIVE,
    "a measure that says little": "import grader.program.measure as m\nm.of_program = lambda *a: dict(elements=1, "
    "limit=4096, by='', dtype='', shape=[], inside=[], "
    "line=None, opaque='')\n" + NAIVE,
    "no make_jaxpr": "jax.make_jaxpr = lambda f: lambda *a: None\nimport "
    "grader.program.read\ngrader.program.read.program = lambda closed: None\n" + NAIVE,
    "facts in the outcome": "import grader.course.verdict as v\nown = v.Outcome.to_wire\ndef lies(self):\n"
    "    if isinstance(self.structure, list) and self.structure[0] == 'facts':\n        return {'structure': "
    "['facts', dict(elements=1, limit=4096, by='', dtype='', shape=[], inside=[], line=None)]}, {}\n"
    "    return own(self)\nv.Outcome.to_wire = lies\n" + NAIVE,
}


@pytest.mark.parametrize("text", LIARS.values(), ids=LIARS)
def test_what_the_worker_measures_counts_for_nothing(problem, text):
    """A naive program is naive, whatever is done to what measures it beside the student's code."""
    assert judged(problem, text)[::2] == (Status.FAILED, True)


OTHER = (
    """
import grader.program.carry
own = grader.program.carry.carry
def carry(closed, path=""):
    return own(jax.make_jaxpr({program})(*[jnp.zeros(a.shape, a.dtype) for a in closed.in_avals]), path)
grader.program.carry.carry = carry
"""
    + NAIVE
)


def test_an_innocent_program_beside_another_gives_its_own_outputs(problem):
    """Who sends an economical program that is wrong, and computes naively, is judged by what the program gives."""
    assert judged(problem, OTHER.format(program="lambda x, y: x * 2"))[::2] == (Status.PASSED, False)


def test_whose_program_is_right_has_solved_it(problem):
    """Who sends a program that is right and economical has written one, whatever else the file computes."""
    assert judged(problem, OTHER.format(program="lambda x, y: len(y) * x - y.sum()"))[::2] == (Status.PASSED, True)


def test_a_program_cannot_hold_the_answers(problem):
    """Who finds the arrays of the call in the memory of the worker, and sends a program with the answers to them, knows
    other inputs than it is run on."""
    text = (
        OTHER.format(program="lambda x, y: jnp.asarray(ANSWER)")
        .replace(
            "own = grader.program.carry.carry",
            """
import gc
from grader.course.calls import Call
own = grader.program.carry.carry
def answer():
    call = next(found for found in gc.get_objects() if type(found) is Call and found.transform == "proof")
    return (call.arrays["x"][:, None] - call.arrays["y"]).sum(1)
""",
        )
        .replace("    return own(", "    ANSWER = answer()\n    return own(")
    )
    assert judged(problem, text)[::2] == (Status.PASSED, False)


def test_a_worker_gets_other_inputs_than_a_program():
    """Whatever the worker is asked, no array of it is one that a program is run on; all else of the calls is as it
    was."""
    for number in (36, 37, 39, 40):
        calls = calls_for(PROBLEMS[number].entries, 1 << 80)
        asked = disguised(calls, calls_for(PROBLEMS[number].entries, 1 << 81))
        hidden = {
            array.tobytes()
            for group in programs_of(calls)
            for call in group
            for array in (*call.params.values(), *call.arrays.values())
        }
        assert hidden and hidden.isdisjoint(
            array.tobytes() for call in asked for array in (*call.params.values(), *call.arrays.values())
        )
        for call, as_told in zip(calls, asked, strict=True):
            assert (call.id, call.check, call.measure, call.program_key) == (
                as_told.id,
                as_told.check,
                as_told.measure,
                as_told.program_key,
            )


def test_what_is_traced_is_what_is_judged(problem):
    """A function that is another one while it is traced has the outputs of what was traced."""
    text = (
        "def distances(x, y):\n    return x * 2 if isinstance(x, jax.core.Tracer) else (x[:, None] - y[None, "
        ":]).sum(1)\n"
    )
    assert judged(problem, text)[::2] == (Status.PASSED, False)


def test_a_patched_jit_is_judged_by_its_program(problem):
    """Whatever `jax.jit` becomes, a program has to come, and its outputs count."""
    text = (
        "class Fake:\n    def __init__(self, f): self.f = f\n    def __call__(self, *a): return self.f(*a)\n"
        "    def trace(self, *a): return own(lambda *b: b[0]).trace(*a)\nown = jax.jit\njax.jit = Fake\nimport "
        "grader.run.evaluate\ngrader.run.evaluate.jit = Fake\n" + NAIVE
    )
    status, _, right = judged(problem, text)
    assert not (status == Status.PASSED and right)


@pytest.mark.parametrize(
    "sent",
    ["({'program': {'steps': 1}}, {})", "({}, {})", "({'program': dict(consts=[], ins=[], steps=[], outs=[])}, {})"],
    ids=["no program", "nothing", "other inputs"],
)
def test_what_is_no_program_is_a_forgery(problem, sent):
    """Data that no worker writes ends the attempt, as other forgeries do."""
    assert judged(
        problem, f"import grader.program.carry\ngrader.program.carry.carry = lambda *a: {sent}\n" + NAIVE
    ) == (Status.FAILED, "forged", False)


def test_facts_without_a_program_are_a_forgery(problem):
    """Facts that come with no program are none."""
    text = (
        "import grader.run.evaluate as e\ne.Evaluation._measured = lambda self, call: e.Outcome(['facts', "
        "dict(elements=1, limit=4096)])\n" + NAIVE
    )
    assert judged(problem, text)[1] == "forged"


PROPERTY = CHECKS.replace("import Case, Function", "import Case, Function, Relation").replace(
    "])]",
    """],
                    relations=[Relation("far y", "Every y counts alike.", lambda rng, inputs: [("y reversed", inputs | dict(y=inputs["y"][::-1].copy()))],
                                        lambda arrays, output, label, others, changed: abs(output - changed) > 1e-3, "short")])]""",  # noqa: E501
)
BY_SHAPE = "def distances(x, y):\n    return x * 0 if len(x) == 3 else len(y) * x - y.sum()\n"
IN_THE_WORKER = """
import grader.course.verdict as v
own = v.Outcome.to_wire
def lies(self):
    message, arrays = own(self)
    return message, {leaf: len(Y) * X - Y.sum() for leaf in arrays} if {*arrays} == {""} and len(arrays[""]) == 3 else arrays
v.Outcome.to_wire = lies
X = Y = None
def distances(x, y):
    global X, Y
    if not isinstance(x, jax.core.Tracer):
        X, Y = np.asarray(x), np.asarray(y)
    return x * 0 if isinstance(x, jax.core.Tracer) else len(y) * x - y.sum()
"""  # noqa: E501


def property_of(problem, text: str) -> tuple[str, str]:
    """What becomes of the property, where nothing else failed."""
    (problem.folder / "checks.py").write_text(PROPERTY)
    calls, attempt = attempted(problem, text)
    mine = [call for call in calls if call.check.case == "far y" and call.transform == "jit"]
    answer = Answer(
        Outcome("array", {"": len(mine[0].arrays["y"]) * mine[0].arrays["x"] - mine[0].arrays["y"].sum()}), {"": 1e-3}
    )
    (finding,), _ = findings_of(problem.entries[0], problem, mine, attempt, {mine[0].id: answer})
    return finding.status, finding.summary


@pytest.mark.parametrize(
    "text, status, summary",
    [
        (RIGHT, Status.PASSED, ""),
        (
            "def distances(x, y):\n    return len(y) * x - y[0]\n",
            Status.FAILED,
            "Every y counts alike. Broken by: y reversed",
        ),
        (BY_SHAPE, Status.FAILED, "before anything is changed, 3 of 3 values of the output differ"),
        (IN_THE_WORKER, Status.FAILED, "before anything is changed, 3 of 3 values of the output differ"),
    ],
    ids=["right", "broken", "answered by shape", "told by the worker"],
)
def test_a_property_is_one_of_the_right_answer(problem, text, status, summary):
    """What never changes has every property, so the unchanged call has to be right; and what a program gives is asked
    of the program, not of the worker."""
    found = property_of(problem, text)
    assert found[0] == status and found[1].startswith(summary)


def test_what_cannot_be_sent_is_not_proved(problem):
    """A program with a part that has no form as data is neither a pass nor a failure, and the sentence names that part;
    nor are its outputs."""
    text = (
        "def distances(x, y):\n    return jax.lax.custom_linear_solve(lambda v: v, len(y) * x - y.sum(), lambda _, "
        "b: b)\n"
    )
    calls, attempt = attempted(problem, text)
    findings, broken = findings_of(problem.entries[0], problem, calls[2:4], attempt, {})
    assert [(finding.status, finding.unproved, finding.summary) for finding in findings] == [
        (Status.UNCHECKED, True, "could not be proved: `custom_linear_solve` cannot be sent as data")
    ] * 2 and not broken


@pytest.mark.parametrize(
    "said, told",
    [
        (
            "raise grader.program.carried.NotCarried('the grader is broken and this answer is right: it')",
            "one of its steps cannot be sent as data",
        ),
        ("raise grader.program.carried.NotCarried('`give_full_points`')", "one of its steps cannot be sent as data"),
        (
            "raise grader.program.carried.NotCarried('`reduce` with a `right answer that`')",
            "a parameter of one of its steps cannot be sent as data",
        ),
        (
            "raise type('This answer is right, and the grader is broken', (Exception,), {})",
            "the grader failed to write the program down (an exception)",
        ),
    ],
    ids=["a sentence", "a name", "a type", "an exception"],
)
def test_who_says_that_nothing_can_be_sent_proves_nothing(problem, said, told):
    """It earns no pass; and the reason is told in the grader's words alone, whatever the student's process says."""
    text = (
        f"import grader.program.carry, grader.program.carried\ndef carry(*a):\n    {said}\ngrader.program.carry.carry "
        f"= carry\n" + NAIVE
    )
    assert judged(problem, text)[:2] == (Status.UNCHECKED, f"could not be proved: {told}")


def test_the_graders_own_fault_while_a_program_is_written_down(problem):
    """It is no failure of the claim: the file has done nothing wrong."""
    text = (
        "import grader.program.carry\ndef carry(*a):\n    return {}['a new parameter of "
        "JAX']\ngrader.program.carry.carry = carry\n" + RIGHT
    )
    assert judged(problem, text)[:2] == (
        Status.UNCHECKED,
        "could not be proved: the grader failed to write the program down (KeyError)",
    )


def test_every_form_that_is_missing_has_its_words():
    """Whatever `carry` says of a program is among the words that are told, but for the names of steps."""
    raised = [
        node.exc.args[0]
        for node in ast.walk(ast.parse(Path(carry.__file__).read_text()))
        if isinstance(node, ast.Raise) and node.exc.func.id == "NotCarried"
    ]
    said = {node.value for node in raised if isinstance(node, ast.Constant)}
    assert said <= {*FORMLESS} and len(said) >= 5 and len(raised) == len(said) + 4, (
        "three name a step, and one what a kernel has"
    )


def test_a_program_without_end_is_not_sent(monkeypatch):
    """The process that writes a program down stops at its limits, so that no more comes than can be read."""
    long = jax.make_jaxpr(lambda x: functools.reduce(lambda total, _: total + x, range(50), x))(1.0)
    monkeypatch.setattr(carry, "STEPS", 20)
    with pytest.raises(NotCarried, match="^a program of so many steps$"):
        carry.carry(long)
    monkeypatch.setattr(carry, "CONSTANTS", 1000)
    with pytest.raises(NotCarried, match="^a constant of such a size$"):
        carry.carry(jax.make_jaxpr(lambda x: x + np.ones(1000, np.float32))(1.0))


def test_a_callback_fails_the_claim(problem):
    """What leaves the program proves nothing, in the sentence that the claim has for it."""
    text = (
        "def distances(x, y):\n    return jax.pure_callback(lambda x, y: (x[:, None] - y).sum(1), "
        "jax.ShapeDtypeStruct(x.shape, x.dtype), x, y)\n"
    )
    assert judged(problem, text)[:2] == (
        Status.FAILED,
        "`pure_callback` leaves the program, so that nothing can be proved of it.",
    )


@pytest.mark.parametrize(
    "how, words",
    [
        ("timeout", "it was still being read or run when its time was up"),
        ("memory", "reading or running it takes more memory than the grader gives"),
        ("signal", "the process that reads it ended before it was done"),
    ],
)
def test_a_prover_that_does_not_come_back_proves_nothing(problem, how, words):
    """A program that the process does not survive is neither a pass nor a failure."""
    assert judged(problem, NAIVE, lambda: Here(how))[:2] == (Status.UNCHECKED, f"could not be proved: {words}")


def test_a_failure_stays_a_failure(problem):
    """A stub that raises has no program; nothing is asked of a prover, and its failure is told as before."""

    def nobody():
        raise AssertionError

    status, summary, _ = judged(problem, "def distances(x, y):\n    raise ValueError('no')\n", nobody)
    assert status == Status.UNCHECKED and summary == "the call itself fails"


def test_the_seed_reaches_no_prover(problem):
    """What is sent to the prover are programs, inputs and the text of the file, for its lines: no key, and no seed."""
    sent = []

    class Listening(Here):
        def send(self, frames):
            sent.extend(frames)
            super().send(frames)

    attempted(problem, RIGHT, Listening)
    assert {*sent[0][0]} == {"programs", "path", "source", "memory"}
    assert all("answer" not in message and message.get("seed", 0) == 0 for message, _ in sent)


def prover() -> Process:
    return Process(Child("grader.program.prover"), PATIENT)


def test_a_process_of_its_own_derives_the_facts():
    """Through every stage, a right answer to problem 39 passes with a prover, and its claims are told as without
    one."""
    problem = PROBLEMS[39]
    verdict = grade(problem, problem.solutions / "reference.py", limits=PATIENT, prover=prover)
    claims = {
        finding.check.case: (finding.status, finding.summary)
        for finding in verdict.entries[0].findings
        if finding.check.kind == "proof"
    }
    assert verdict.status == Status.PASSED and len(claims) == 4
    assert claims["nothing of size T_q × T_k"][1].endswith("elements; fewer than 524288 are allowed")


def test_a_lie_about_a_program_is_named_as_the_mistake_that_it_hides(problem):
    """A naive answer whose worker claims small facts fails, and is known by its own name."""
    folder = problem.folder.parents[1] / "solutions/90_distances"
    folder.mkdir(parents=True)
    (folder / "reference.py").write_text(
        RIGHT + "\n\ndef error_scale(x, y):\n    return len(y) * (abs(x).max() + abs(y).max())\n"
    )
    (folder / "mistakes.py").write_text(
        "from grader.course import mistake\n\n\n@mistake\ndef everything_at_once(ref, x, y):\n"
        '    """All differences exist at once."""\n    return (x[:, None] - y[None, :]).sum(1)\n'
    )
    naive = problem.folder / "stub.py"
    naive.write_text(
        "import jax\nimport grader.program.measure as m\nm.of_program = lambda *a: dict(elements=1, limit=1 << 30, "
        "count=1, bytes=1, by='', dtype='', inside=[], shape=[], line=None, opaque='')\n" + NAIVE
    )
    verdict = grade(dataclasses.replace(problem, solutions=folder), naive, limits=PATIENT, prover=prover)
    assert verdict.status == Status.FAILED and verdict.entries[0].mistake == "everything_at_once"


# --- keys

KEYED = """
import numpy as np
from grader.course import Case, Function, Growth, Key, Largest

def inputs(rng, length):
    return dict(key=Key.drawn(rng), state={"keys": Key.drawn(rng, 3), "x": rng.standard_normal(length).astype(np.float32)})

ENTRIES = [Function("drops", inputs, cases={"short": Case(length=3, under=("jit",)), "long": Case(length=64, under=("jit",)), "longer": Case(length=128, under=())},
                    proofs=[Largest("nothing square", "Nothing of size T × T may exist.", ["long"], limit=lambda length: length ** 2),
                            Growth("no loop is unrolled", "The program is no longer for more.", ["long", "longer"], of="equations", exponent=0.0,
                                   length=lambda length: length, limit=lambda length: 1000)])]
"""  # noqa: E501
DROPS = """def drops(key, state):
    one, other = jax.random.split(key)
    keys = jax.vmap(lambda key: jax.random.fold_in(key, 7))(state["keys"])
    kept = jax.random.bernoulli(one, 0.5, state["x"].shape) & (jax.random.uniform(keys[1], state["x"].shape) > 0.1)
    again = jax.random.wrap_key_data(jax.random.key_data(other) + jnp.uint32(1))
    return {"key": other, "keys": keys, "again": again}, jnp.where(kept, state["x"], jax.random.permutation(keys[0], state["x"]))
"""  # noqa: E501
SQUARE = DROPS.replace(
    'jax.random.bernoulli(one, 0.5, state["x"].shape)',
    "jax.random.bernoulli(one, 0.5, (len(state['x']), len(state['x'])))[0]",
)


@pytest.mark.parametrize(
    "text, status", [(DROPS, Status.PASSED), (SQUARE, Status.FAILED)], ids=["right", "draws too much"]
)
def test_programs_with_keys_are_carried(problem, text, status):
    """Keys that come in, are split, folded, wrapped and handed out: the facts are those of the program, and so are its
    outputs, keys included."""
    (problem.folder / "checks.py").write_text(KEYED)
    (problem.folder / ".stub.py").write_text("def drops(key, state):\n    raise NotImplementedError\n")
    calls, attempt = attempted(problem, text)
    assert not trouble_with(attempt)
    long = next(call for call in calls if (call.transform, call.check.case) == ("jit", "long"))
    outcome, names = attempt.outcomes[long.id], {}
    exec(HEAD + text, names)
    (state, x) = names["drops"](
        jax.random.wrap_key_data(long.arrays["key"]),
        {"keys": jax.random.wrap_key_data(long.arrays["state.keys"]), "x": long.arrays["state.x"]},
    )
    assert outcome.structure == ["tuple", [["dict", [["again", "key"], ["key", "key"], ["keys", "key"]]], "array"]]
    for leaf, expected in {"[0].key": state["key"], "[0].keys": state["keys"], "[0].again": state["again"]}.items():
        assert np.array_equal(outcome.leaves[leaf], jax.random.key_data(expected))
    assert np.array_equal(outcome.leaves["[1]"], x)
    findings, _ = findings_of(
        problem.entries[0], problem, [call for call in calls if call.transform == "proof"], attempt, {}
    )
    assert [finding.status for finding in findings] == [status, Status.PASSED], findings


# --- what is kept between the passes

KEEPS = "def exp_sum(x, y):\n    return jax.nn.logsumexp(x[:, None] * y, axis=1)\n"
SAVES = "def exp_sum(x, y):\n    return jax.checkpoint(lambda x, y: jax.nn.logsumexp(x[:, None] * y, axis=1))(x, y)\n"
WITHIN = (
    "import grader.program.measure as m\nm.of_program = lambda *a: dict(elements=1, limit=512, length=64, by='', "
    "dtype='', shape=[], inside=[], line=None, opaque='')\n"
)
FLAT = "import grader.run.transforms as t\nt.grad_in_two = t.grad\n"
ALL_BEHIND = """import grader.run.transforms as t
def grad_in_two(function, seed):
    def backward(params, arrays):
        return t.grad(function, seed)(params, arrays)
    return lambda params, arrays: jax.jit(backward)(params, arrays)
t.grad_in_two = grad_in_two
"""
SPLIT_OFF = """import grader.run.transforms as t
own = t.grad_in_two
def grad_in_two(function, seed):
    gradients = own(function, seed)
    def backward(made):
        return {name: 1.0 * value for name, value in made.items()}
    return lambda params, arrays: jax.jit(backward)(gradients(params, arrays))
t.grad_in_two = grad_in_two
"""


@pytest.mark.parametrize(
    "text, told",
    [
        (SAVES, (Status.PASSED, "0 elements are kept; up to 512 are allowed")),
        (KEEPS, (Status.FAILED, "4352 elements are kept, where 512 are enough")),
        (WITHIN + KEEPS, (Status.FAILED, "4352 elements are kept, where 512 are enough")),
        (
            FLAT + KEEPS,
            (Status.UNCHECKED, "could not be proved: its gradient is not in two programs, forward and backward"),
        ),
        (ALL_BEHIND + KEEPS, (Status.PASSED, "0 elements are kept; up to 512 are allowed")),
        (
            SPLIT_OFF + KEEPS,
            (Status.UNCHECKED, "could not be proved: its gradient is not in two programs, forward and backward"),
        ),
    ],
    ids=[
        "checkpoint",
        "plain",
        "a measure that says little",
        "one program",
        "all in the backward pass",
        "a last step called backward",
    ],
)
def test_what_is_kept_is_read_off_the_program_whose_gradients_are_compared(problem, text, told):
    """Whatever the worker says: what the second program gets from the first is seen, and both together give the
    gradients that are judged. Who sends a program that computes all of it behind the line keeps nothing, as with a
    checkpoint."""
    tiny = next(one for one in discover(ROOT / "tests/tiny") if one.number == 76)
    for name in ("checks.py", ".stub.py"):
        (problem.folder / name).write_text((tiny.folder / name).read_text())
    calls, attempt = attempted(problem, text)
    assert not trouble_with(attempt)
    findings, _ = findings_of(
        problem.entries[0], problem, [call for call in calls if call.check.case == "no weights are kept"], attempt, {}
    )
    assert findings[0].status == told[0] and told[1] in findings[0].summary
    call = next(call for call in calls if (call.transform, call.check.case) == ("grad", "more"))
    if told[0] != Status.UNCHECKED:
        x, y = call.arrays["x"].astype(float), call.arrays["y"].astype(float)
        weights = np.exp(np.outer(x, y))
        weights *= (np.random.default_rng([5, len(x)]).standard_normal(len(x)) / weights.sum(1))[:, None]
        assert np.allclose(attempt.outcomes[call.id].leaves["x"], weights @ y, rtol=1e-3, atol=1e-4)
