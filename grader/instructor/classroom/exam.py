"""What a class is asked: for each problem the calls with inputs drawn from the secret seed, and the key to them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from grader import key as keys
from grader import wire
from grader.answers import Answers, Known, key_digest
from grader.call import Call, calls_for
from grader.instructor.classroom.gradebook import ROUNDS
from grader.problem import Entry, Problem, load
from grader.sandbox import ROOT


@dataclass(frozen=True)
class Exam:
    """The same calls and key for every submission to one problem. `digest` names the key."""

    problem: Problem
    calls: list[Call]
    key: Known
    digest: str


def exam_for(problem: Problem, seed: int, progress: Callable[[str], None] = lambda text: None) -> Exam:
    """Draws the inputs and computes the key, mistakes and all, if it is not kept from an earlier run."""
    calls = calls_for(with_unseen(problem, seed), seed)
    with Answers(problem, calls, seed) as answers:
        if not answers.key.answers or answers.key.mistakes is None:
            progress(f"computing the answer key of {problem.number}")
        answers.expected()
        answers.mistakes()
    return Exam(problem, calls, Known(answers.key), key_digest(problem, seed))


def with_unseen(problem: Problem, seed: int) -> list[Entry]:
    """The problem's names with the cases that students do not know: `solutions/NN_topic/unseen.py` draws their sizes, the same in each round."""
    path = problem.solutions / "unseen.py" if problem.solutions else None
    if path is None or not path.exists():
        return problem.entries
    more = load(path, f"unseen_{problem.number}").cases(np.random.default_rng([seed // ROUNDS, problem.number]))
    return [replace(entry, cases={**entry.cases, **more.get(entry.name, {})}) for entry in problem.entries]


def course_version() -> str:
    """The course's version, and a digest of every file of the grader that a verdict depends on."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "grader").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    try:
        version = importlib.metadata.version("attention-track")
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    return f"{version}-{digest.hexdigest()[:8]}"


def packed(exam: Exam) -> bytes:
    """The exam as data: what a worker elsewhere needs to grade, without solutions and without the seed."""
    frames = [wire.pack({"digest": exam.digest, "calls": len(exam.calls)}), *(wire.pack(*call.to_wire()) for call in exam.calls)]
    return b"".join(frames) + keys.packed(exam.key.key)


def unpacked(problem: Problem, content: bytes) -> Exam:
    stream = io.BytesIO(content)
    head, _ = wire.receive(stream)
    calls = [Call.from_wire(*wire.receive(stream)) for _ in range(head["calls"])]
    return Exam(problem, calls, Known(keys.unpacked(stream.read())), head["digest"])
