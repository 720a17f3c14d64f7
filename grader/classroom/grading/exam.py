"""What a class is asked: for each problem the calls with inputs drawn from the secret seed, and the key to them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from grader.course.calls import Call, calls_for
from grader.course.cases import Case, Entry, of_class
from grader.course.problem import Problem, load
from grader.judge.derive import disguised
from grader.key import key as keys
from grader.key.answers import Answers, Known, key_digest
from grader.process import wire
from grader.process.child import ROOT

ROOMS = ("course", "process", "program", "run", "key", "judge")  # of the grader, on which a verdict depends
# from the seed of the inputs that are judged to that of those that a submission sees in their place
DISGUISE = 1 << 200


@dataclass(frozen=True)
class Exam:
    """The same calls and key for every submission to one problem. `asked` are the calls as a submission gets them (see
    `facts.disguised`); `digest` names the key."""

    problem: Problem
    calls: list[Call]
    asked: list[Call]
    key: Known
    digest: str

    @property
    def proves(self) -> bool:
        """Whether a submission gets other inputs somewhere than those that are judged, so that a prover has to run its
        program on these."""
        return any(asked is not call for call, asked in zip(self.calls, self.asked))


def exam_for(problem: Problem, seed: int, progress: Callable[[str], None] = lambda text: None) -> Exam:
    """Draws the inputs and computes the key, mistakes and all, if it is not kept from an earlier run."""
    entries = with_unseen(problem, seed)
    calls = calls_for(entries, seed)
    with Answers(problem, calls, seed) as answers:
        if not answers.key.answers or answers.key.mistakes is None:
            progress(f"computing the answer key of {problem.number}")
        answers.expected()
        answers.mistakes()
    return Exam(
        problem,
        calls,
        disguised(calls, calls_for(entries, seed + DISGUISE)),
        Known(answers.key),
        key_digest(problem, seed),
    )


def with_unseen(problem: Problem, seed: int) -> list[Entry]:
    """The problem's names with the cases that students do not know, and the claims about them:
    `solutions/NN_topic/unseen.py` draws their sizes, new in each round."""
    path = problem.solutions / "unseen.py" if problem.solutions else None
    if path is None or not path.exists():
        return problem.entries
    more = load(path, f"unseen_{problem.number}").cases(np.random.default_rng([seed, problem.number]))
    return [_with(entry, more.get(entry.name, {})) for entry in problem.entries]


def _with(entry: Entry, more: Mapping[str, Case]) -> Entry:
    """An entry with more cases, and with each claim and property once more where all the cases that it is about have
    one like them."""
    alike = {case.like: name for name, case in more.items() if case.like}
    again = [
        replace(proof, name=of_class(proof.name), cases=[alike[case] for case in proof.cases])
        for proof in entry.proofs
        if alike.keys() >= {*proof.cases}
    ]
    asked = [
        replace(relation, name=of_class(relation.name), case=alike[relation.case])
        for relation in entry.relations
        if relation.case in alike
    ]
    return replace(
        entry, cases={**entry.cases, **more}, proofs=[*entry.proofs, *again], relations=[*entry.relations, *asked]
    )


def deciding() -> list[Path]:
    """The files of the grader that a verdict depends on."""
    return sorted(path for room in ROOMS for path in (ROOT / "grader" / room).glob("*.py"))


def course_version() -> str:
    """The course's version, and a digest of every file of the grader that a verdict depends on."""
    digest = hashlib.sha256()
    for path in deciding():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    try:
        version = importlib.metadata.version("attention-track")
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    return f"{version}-{digest.hexdigest()[:8]}"


def packed(exam: Exam) -> bytes:
    """The exam as data: what a worker elsewhere needs to grade, without solutions and without the seed."""
    calls = [*exam.calls, *(asked for call, asked in zip(exam.calls, exam.asked) if asked is not call)]
    frames = [
        wire.pack({"digest": exam.digest, "calls": len(exam.calls), "sent": len(calls)}),
        *(wire.pack(*call.to_wire()) for call in calls),
    ]
    return b"".join(frames) + keys.packed(exam.key.key)


def unpacked(problem: Problem, content: bytes) -> Exam:
    stream = io.BytesIO(content)
    head, _ = wire.receive(stream)
    sent = [Call.from_wire(*wire.receive(stream)) for _ in range(head["sent"])]
    calls = sent[: head["calls"]]
    instead = {call.id: call for call in sent[head["calls"] :]}
    return Exam(
        problem,
        calls,
        [instead.get(call.id, call) for call in calls],
        Known(keys.unpacked(stream.read())),
        head["digest"],
    )
