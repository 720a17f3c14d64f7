"""The claims about a program: what is measured for them, how facts cross to the judge, and what is told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from grader.course.calls import Call, calls_for
from grader.course.cases import Case, Function
from grader.course.claims import (
    Copies,
    Denominators,
    Flops,
    Growth,
    Kernel,
    Largest,
    Lowers,
    Precision,
    Proof,
    Races,
    Turns,
)
from grader.course.settle import settled
from grader.course.verdict import Failure, Outcome, Status
from grader.judge.attempt import Attempt
from grader.judge.diagnose import diagnose
from grader.judge.findings import findings_of
from grader.key.key import Answer, KnownMistake
from grader.process.child import Ended
from tests.conftest import PROBLEMS


def inputs(rng, length):
    return dict(x=rng.standard_normal(length).astype(np.float32))


SMALL = Largest("nothing large", "Nothing may be large.", ["long"], limit=lambda length: length**2)
SLOW = Growth(
    "it grows slowly",
    "It may not grow fast.",
    ["short", "long"],
    of="equations",
    exponent=0.0,
    length=lambda length: length,
    limit=lambda length: 20,
)
ENTRY = Function(
    "sdpa", inputs, cases={"short": Case(length=4), "long": Case(length=8, under=("jit",))}, proofs=[SMALL, SLOW]
)
CALLS = calls_for([ENTRY])
PROVED = [call for call in CALLS if call.check.kind == "proof"]


def facts(**values) -> Outcome:
    return Outcome(["facts", dict(opaque="") | values])


FINE = [
    facts(elements=8, limit=64, by="add", dtype="float32", shape=[8], inside=[], line=None),
    facts(count=9, length=4, limit=20),
    facts(count=9, length=8, limit=20),
]
LARGE = facts(
    elements=64,
    limit=64,
    by="dot_general",
    dtype="float32",
    shape=[8, 8],
    inside=["jit", "scan"],
    line=[7, "sdpa", "x @ y"],
)
UNROLLED = facts(count=17, length=8, limit=20)


def judged(*outcomes):
    """The findings on the two claims, where everything else was not looked at."""
    attempt = Attempt(dict(zip((call.id for call in PROVED), outcomes)), {}, None, Ended("finished"))
    findings, broken = findings_of(ENTRY, PROBLEMS[31], PROVED, attempt, {})
    return findings, broken


def test_a_claim_is_measured_on_each_of_its_cases():
    """There is a call for each case that a claim names, with that case's inputs and what to measure of its program."""
    assert [(call.check.case, call.variant, len(call.arrays["x"])) for call in PROVED] == [
        ("nothing large", "long", 8),
        ("it grows slowly", "short", 4),
        ("it grows slowly", "long", 8),
    ]
    assert PROVED[0].measure == dict(of="largest", limit=64, under="jit") and PROVED[1].measure == dict(
        of="equations", under="jit", length=4, limit=20
    )


def test_the_program_that_is_measured_is_the_one_that_is_compared():
    """A measured call is the compared one in everything that its program depends on."""
    compared = next(call for call in CALLS if call.check.case == "long" and call.transform == "jit")
    for field in ("by_name", "static", "order", "seed", "init"):
        assert getattr(PROVED[0], field) == getattr(compared, field)
    assert np.array_equal(PROVED[0].arrays["x"], compared.arrays["x"])


def test_claims_that_hold():
    """A claim that holds is a check that passed, and says what was found."""
    findings, broken = judged(*FINE)
    assert [(finding.status, finding.summary) for finding in findings] == [
        (Status.PASSED, "the largest array has 8 elements; fewer than 64 are allowed"),
        (Status.PASSED, "9 equations at any length"),
    ]
    assert broken == {}


def test_a_claim_that_does_not_hold():
    """The rule comes first, then what was found, where, and in which line of the student."""
    findings, broken = judged(LARGE, *FINE[1:])
    assert findings[0].status == Status.FAILED
    assert (
        findings[0].summary
        == "Nothing may be large. There is an array of shape (8, 8) and type float32, made by `dot_general` inside "
        "`scan`."
    )
    assert findings[0].lines == ((7, "sdpa", "x @ y"),) and broken == {PROVED[0].id: True}


def test_a_program_that_cannot_be_traced():
    """Where the call itself fails a claim cannot be checked, and is told only if nothing else was."""
    failed = Outcome(failure=Failure("TypeError", (), "no", ((3, "sdpa", "x + None"),)))
    findings, _ = judged(failed, *FINE[1:])
    assert findings[0].summary == "Nothing may be large. It could not be seen: line 3 raises TypeError: no"
    findings, _ = judged(LARGE, failed, failed)
    assert (findings[1].status, findings[1].summary) == (Status.UNCHECKED, "the call itself fails")


def test_a_run_that_was_cut_short():
    """Without facts a claim could not be checked."""
    findings, _ = judged()
    assert {finding.status for finding in findings} == {Status.UNCHECKED}


@pytest.mark.parametrize(
    "proof, fact, sign, sentence",
    [
        (
            Largest("n", "R.", ["c"]),
            dict(elements=9, limit=9, by="a constant", dtype="bool", shape=[3, 3], inside=[], line=None),
            "a constant bool",
            "R. There is an array of shape (3, 3) and type bool, a constant.",
        ),
        (
            Flops("n", "R.", ["c"]),
            dict(flops=11, limit=10, exact=True, line=None),
            "flops",
            "R. It takes 11 arithmetic operations; 10 are enough.",
        ),
        (
            Flops("n", "R.", ["c"], of="products"),
            dict(products=11, limit=10, exact=True, line=None),
            "products",
            "R. It takes 11 multiplications in products of matrices; 10 are enough.",
        ),
        (
            Turns("n", "R.", ["c"]),
            dict(turns=12, limit=4, by="scan", inside=["jit", "scan"], line=None),
            "turns",
            "R. A loop takes 12 turns inside `scan`; 4 are enough.",
        ),
        (
            Copies("n", "R.", ["c"]),
            dict(by="gather", elements=8, limit=4, shape=[2, 4], inside=["jit"], line=None),
            "picked",
            "R. `gather` makes an array of shape (2, 4) of them: 8 elements, where 4 are enough.",
        ),
        (
            Precision("n", "R.", ["c"]),
            dict(by="exp", dtype="bfloat16", rounded="", inside=["kernel"], line=None),
            "exp bfloat16",
            "R. `exp` gives bfloat16 inside `kernel`.",
        ),
        (
            Precision("n", "R.", ["c"]),
            dict(by="add", dtype="bfloat16", rounded="sum", inside=["scan"], line=None),
            "sum bfloat16",
            "R. `add` takes a sum that was rounded to bfloat16 inside `scan`.",
        ),
        (
            Denominators("n", "R.", ["c"]),
            dict(by="mul", dtype="float16", rounded="root", inside=["jit"], line=None),
            "norms float16",
            "R. `mul` takes a root that was rounded to float16.",
        ),
        (
            Denominators("n", "R.", ["c"], within="softmax"),
            dict(by="reduce_sum", dtype="bfloat16", rounded="", inside=["scan"], line=None),
            "softmax bfloat16",
            "R. `reduce_sum` gives bfloat16 inside `scan`.",
        ),
        (
            Kernel("n", "R.", ["c"]),
            dict(calls=-1, works=True, outside="", line=None),
            "calls -1",
            "R. Here a `pallas_call` runs as often as values say.",
        ),
        (
            Lowers("n", "R.", ["c"]),
            dict(complaint="no kernel", line=None),
            "no kernel",
            "R. With `interpret=False` there is no kernel in what is lowered.",
        ),
        (
            Races("n", "R.", ["c"]),
            dict(race=False, complaint="it broke", line=None),
            "complaint",
            "R. TPU interpret mode says: it broke",
        ),
        (
            Races("n", "R.", ["c"]),
            dict(opaque="pure_callback"),
            "opaque",
            "`pure_callback` leaves the program, so that nothing can be proved of it.",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Proof) else "",
)
def test_how_each_claim_is_broken(proof, fact, sign, sentence):
    """Each kind of claim has its own sentence, and a sign by which the same mistake is known."""
    broken = proof.broken([fact])
    assert (broken.sign, broken.sentence) == (sign, sentence)


def test_a_claim_about_denominators_is_about_each_of_its_cases():
    """In the first of them in which it is broken."""
    right = dict(by="", dtype="", rounded="", inside=[], line=None)
    wrong = right | dict(by="rsqrt", dtype="float16", rounded="product")
    claim = Denominators("n", "R.", ["bfloat16", "float16"])
    assert claim.broken([right, wrong]).sentence == "R. `rsqrt` takes a product that was rounded to float16."
    assert claim.broken([right, right]) is None


def grown(of: str, *amounts: int, limit: int = 10**6, exponent: float = 0.5):
    """What is said of a program that takes the first amount at a length of 512, and each next one at twice the
    length."""
    name = {"equations": "count", "memory": "bytes", "flops": "flops", "largest": "elements"}[of]
    found = Growth("g", "R.", ["a", "b"], of=of, exponent=exponent).broken(
        [{name: amount, "length": 512 << turn, "limit": limit} for turn, amount in enumerate(amounts)]
    )
    return found and found.sentence


@pytest.mark.parametrize(
    "few, many, of, told",
    [
        (10, 20, "equations", "R. At a length of 512 it has 10 equations, and 20 at 1024."),
        (
            1000,
            4000,
            "memory",
            "R. At a length of 512 the compiled program takes 1000 bytes of temporary memory, and 4000 at 1024: it "
            "grows as the length to the power 2.0.",
        ),
        (
            1000,
            4000,
            "flops",
            "R. At a length of 512 it takes 1000 arithmetic operations, and 4000 at 1024: it grows as the length to "
            "the power 2.0.",
        ),
        (
            1000,
            4000,
            "largest",
            "R. At a length of 512 its largest array has 1000 elements, and 4000 at 1024: it grows as the length to "
            "the power 2.0.",
        ),
    ],
)
def test_growth_says_what_grew(few, many, of, told):
    """The sentence names what was counted, so that it is clear which witness spoke."""
    assert grown(of, few, many) == told
    assert grown(of, few, many, exponent=2.0) is None


def test_growth_cannot_be_padded_away():
    """Whoever pads the short lengths, so that what is longer seems to grow slowly, is above the limit there, or grows
    at a length far longer."""
    assert grown("memory", 900, 1000, 1100) is None
    assert (
        grown("memory", 900, 1000, 1100, limit=950)
        == "R. At a length of 1024 the compiled program takes 1000 bytes of temporary memory; 950 are enough."
    )
    assert grown("equations", 30, 30, 40, exponent=0.0) == "R. At a length of 1024 it has 30 equations, and 40 at 2048."


# --- facts as outcomes


def test_facts_cross_the_wire():
    """Facts are plain data, and come back as they were."""
    message, arrays = LARGE.to_wire()
    assert Outcome.from_wire(message, arrays) == LARGE


@pytest.mark.parametrize(
    "structure",
    [["facts", ["a", "list"]], ["facts", {"f": object()}], ["facts", {1: 2}]],
    ids=["a list", "an object", "a number's name"],
)
def test_facts_that_are_no_data_are_refused(structure):
    """Nothing but words, numbers and lists of them passes for facts."""
    with pytest.raises(ValueError):
        Outcome.from_wire({"structure": structure}, {})


def test_a_measure_crosses_the_wire():
    """What to measure goes to the worker with the call."""
    assert Call.from_wire(*PROVED[0].to_wire()).measure == PROVED[0].measure


# --- which mistake it is


def named(mine, *mistakes):
    ids = [call.id for call in PROVED]
    known = [KnownMistake(name, "sdpa", "", dict(zip(ids, theirs))) for name, theirs in mistakes]
    known = [dataclasses.replace(m, outcomes=settled(ENTRY, CALLS, m.outcomes)) for m in known]
    _, broken = judged(*mine)
    answers = {call.id: Answer(Outcome("array"), {}) for call in CALLS}
    found = diagnose("sdpa", settled(ENTRY, CALLS, dict(zip(ids, mine))), answers, known, broken)
    return found.name if found else None


def test_a_mistake_is_known_by_how_it_breaks_a_claim():
    """Another shape, line or count is the same mistake; another claim, or another way to break it, is another."""
    whole, unrolled = ("whole", [LARGE, *FINE[1:]]), ("unrolled", [FINE[0], FINE[1], UNROLLED])
    other = facts(elements=128, limit=64, by="dot_general", dtype="float32", shape=[8, 16], inside=[], line=None)
    assert (
        named([other, facts(count=30, length=4, limit=40), facts(count=30, length=8, limit=40)], unrolled, whole)
        == "whole"
    )
    assert (
        named([FINE[0], facts(count=20, length=4, limit=60), facts(count=50, length=8, limit=60)], whole, unrolled)
        == "unrolled"
    )
    mask = facts(elements=64, limit=64, by="lt", dtype="bool", shape=[8, 8], inside=[], line=None)
    assert named([mask, *FINE[1:]], whole, unrolled) is None
    assert named([LARGE, FINE[1], UNROLLED], whole, unrolled) is None
