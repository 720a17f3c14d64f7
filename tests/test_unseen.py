"""What only a class is asked: sizes that are new in each round, under every transform, and the claims and properties at
them."""

from __future__ import annotations

import pytest

from grader.classroom.book.points import properties_of
from grader.classroom.grading.exam import DISGUISE, Exam, packed, unpacked, with_unseen
from grader.course.calls import calls_for
from grader.course.cases import of_class
from grader.course.claims import Lowers
from grader.course.settle import settle
from grader.course.verdict import Outcome, Status
from grader.judge.attempt import Attempt
from grader.judge.derive import disguised
from grader.judge.findings import findings_of
from grader.key.answers import Known
from grader.key.key import AnswerKey
from grader.process.child import Ended
from tests.classroom import SEED
from tests.conftest import PROBLEMS

pytestmark = pytest.mark.thorough

NAMES = [(number, entry.name) for number, problem in PROBLEMS.items() for entry in problem.entries]


def of_a_class(number: int, name: str, seed: int = SEED):
    """A name as students know it, and as a class is asked about it."""
    known, asked = (
        {entry.name: entry for entry in entries}[name]
        for entries in (PROBLEMS[number].entries, with_unseen(PROBLEMS[number], seed))
    )
    return known, asked


def unseen(number: int, name: str, seed: int = SEED) -> dict:
    known, asked = of_a_class(number, name, seed)
    return {case: rung for case, rung in asked.cases.items() if case not in known.cases}


@pytest.mark.parametrize("number, name", NAMES)
def test_sizes_are_new_in_each_round(number, name):
    """Who has heard of the sizes of one round does not know those of the next."""
    rounds = [repr({case: rung.sizes for case, rung in unseen(number, name, SEED + turn).items()}) for turn in range(4)]
    assert len({*rounds}) == 4 and rounds[0] == repr({case: rung.sizes for case, rung in unseen(number, name).items()})


@pytest.mark.parametrize("number, name", NAMES)
def test_every_transform_is_tried_at_them(number, name):
    """What the contract asks for at known sizes is asked for at these."""
    known, _ = of_a_class(number, name)
    assert {under for rung in unseen(number, name).values() for under in rung.under} == {
        under for rung in known.cases.values() for under in rung.under
    }


@pytest.mark.parametrize("number, name", NAMES)
def test_claims_and_properties_hold_there_too(number, name):
    """Each is asked once more, but whether a kernel lowers, and is worth what a property is worth."""
    known, asked = of_a_class(number, name)
    again = {proof.name for proof in known.proofs if not isinstance(proof, Lowers)} | {
        relation.name for relation in known.relations
    }
    new = {part.name for part in (*asked.proofs, *asked.relations)} - {
        part.name for part in (*known.proofs, *known.relations)
    }
    assert new == {of_class(part) for part in again}
    assert {case for entry, case in properties_of(PROBLEMS[number]) if entry == name} >= {
        relation.name for relation in asked.relations
    }


@pytest.mark.parametrize("number", PROBLEMS)
def test_whoever_gets_other_inputs_has_a_prover(number):
    """Where a claim or a property is asked, a worker meets other inputs than those that are judged, and a prover has to
    run its program on these; also after the way to a worker elsewhere."""
    entries = with_unseen(PROBLEMS[number], SEED)
    calls = calls_for(entries, SEED)
    exam = Exam(
        PROBLEMS[number], calls, disguised(calls, calls_for(entries, SEED + DISGUISE)), Known(AnswerKey({}, [])), ""
    )
    assert (
        exam.proves
        == unpacked(PROBLEMS[number], packed(exam)).proves
        == any(entry.proofs or entry.relations for entry in entries)
    )


def test_they_are_judged_by_the_claims_that_students_know():
    """A judge elsewhere has the problem without what is unseen; the calls and the facts say the rest."""
    (known, asked), problem = of_a_class(36, "CachedSelfAttention"), PROBLEMS[36]
    calls = [call for call in calls_for([asked], SEED) if call.transform == "proof"]
    wasteful = Outcome(["facts", dict(flops=11, limit=10, line=None)])
    attempt = Attempt({call.id: wasteful for call in calls}, {}, None, Ended("finished"))
    findings, _ = findings_of(known, problem, calls, attempt, {})
    assert [(finding.check.case, finding.status) for finding in findings] == [
        ("a step costs no more than its token", Status.FAILED),
        ("a step costs no more than its token, at sizes of this class", Status.FAILED),
    ]
    assert {name: sign for name, (_, sign) in settle(known, calls, attempt.outcomes).items()} == {
        finding.check.case: "flops" for finding in findings
    }
