"""False claims about programs, one in each file of `false_claims/`: right values, and a program that is not what the
problem asks for. Each is found, in one's own loop and by a prover alike.

A file's docstring names its problem, and the claims or properties that fail, or cannot be proved, with a part of the
sentence. Only these are asked here, and the values of the programs that claims are about. Where the last line says
which of the file's functions `products` is, each of them is tried."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from grader.authors.reference import answer_key
from grader.classroom.grading.exam import with_unseen
from grader.course.calls import Call, calls_for
from grader.course.cases import Entry
from grader.course.verdict import Status
from grader.judge.attempt import Attempt
from grader.judge.derive import derive, programs_of
from grader.judge.findings import findings_of
from grader.key.key import Answer
from grader.process import wire
from grader.process.child import Ended
from grader.program.carry import carry
from grader.run.evaluate import Evaluation
from grader.run.failure import failure_of
from grader.run.worker import import_stub
from tests.conftest import PROBLEMS
from tests.test_facts import Here

pytestmark = pytest.mark.thorough

FOLDER = Path(__file__).with_name("false_claims")
SEED = 1 << 90


class Expected(NamedTuple):
    """What a file says of itself."""

    number: int
    of_a_class: bool
    claims: dict[str, tuple[Status, str]]


class File(NamedTuple):
    path: Path
    source: str


def files():
    """Each file by its name, and each way of those that have several."""
    for path in sorted(FOLDER.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        if not (taken := re.search(r"^products = \w+$", source, re.MULTILINE)):
            yield path.stem, File(path, source)
            continue
        for way in (node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)):
            yield f"{path.stem}_{way}", File(path, source.replace(taken[0], f"products = {way}"))


FALSE = dict(files())


def expected(source: str) -> Expected:
    said = ast.get_docstring(ast.parse(source))
    problem = re.search(r"^Problem: (\d+)(, at sizes of a class)?$", said, re.MULTILINE)
    claims = re.findall(r"^(Fails|Unproved): (.+?): (.+)$", said, re.MULTILINE)
    return Expected(
        int(problem[1]),
        bool(problem[2]),
        {
            claim: ({"Fails": Status.FAILED, "Unproved": Status.UNCHECKED}[status], part)
            for status, claim, part in claims
        },
    )


@functools.cache
def asked(number: int, of_a_class: bool, claims: tuple[str, ...]) -> tuple[Entry, list[Call], dict[int, Answer]]:
    """The name that the claims are about, the calls whose programs they are about, and the key to their values."""
    problem = PROBLEMS[number]
    for entry in with_unseen(problem, SEED) if of_a_class else problem.entries:
        groups = [
            group for group in programs_of(calls_for([entry], SEED)) if any(call.check.case in claims for call in group)
        ]
        proofs = any(call.transform == "proof" and call.check.case in claims for group in groups for call in group)
        calls = [call for group in groups for call in group if call.check.case in claims or proofs and not call.measure]
        if calls:
            return entry, calls, answer_key(problem, [call for call in calls if call.transform != "proof"])
    raise AssertionError(f"problem {number} makes no such claims: {claims}")


def findings(file: File, proved: bool):
    """What is found of a file: of its claims by what its worker measures, or of values as well by what a prover
    derives."""
    path, source = file
    said = expected(source)
    entry, calls, answers = asked(said.number, said.of_a_class, tuple(said.claims))
    calls = [call for call in calls if proved or call.measure]
    module, outcomes, carried = import_stub(str(path), source), {}, {}

    def carry_out(call, program):
        carried[call.id] = (
            {"carried": call.id},
            {"program": np.frombuffer(wire.pack(*carry(program, str(path))), np.uint8)},
        )

    Evaluation(
        lambda name: getattr(module, name),
        lambda error: failure_of(error, str(path)),
        lambda call, outcome: outcomes.update({call.id: outcome}),
        path=str(path),
        carry=carry_out if proved else None,
    ).run(calls)
    attempt = Attempt(outcomes, {"found": {}}, None, Ended("finished"), carried=carried)
    attempt = derive(attempt, calls, str(path), source, Here) if proved else attempt
    assert attempt.ended.how == "finished"
    return findings_of(entry, PROBLEMS[said.number], sorted(calls, key=lambda call: call.id), attempt, answers)[0]


@pytest.mark.parametrize("proved", [False, True], ids=["own loop", "class"])
@pytest.mark.parametrize("name", FALSE)
def test_a_false_claim_is_found(name, proved):
    """The values are right, and each claim that the file breaks is told, in the same words wherever it is derived."""
    claims = expected(FALSE[name].source).claims
    for finding in findings(FALSE[name], proved):
        if finding.check.case in claims:
            status, part = claims[finding.check.case]
            assert finding.status == status and part in finding.summary, finding
        else:
            assert finding.status == Status.PASSED, finding
