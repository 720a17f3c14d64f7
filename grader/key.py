"""The answer key: what each call must give, how far off is allowed, and what the known mistakes give. Data only; grading knows only this.

It is kept as an `.npz` without code: the arrays under plain names, everything else as JSON in one of them.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grader import wire
from grader.verdict import Outcome

FORMAT = 1


@dataclass
class Answer:
    """The expected outcome of a call (arrays in the call's dtype, values from float64) and the allowed absolute error for each leaf."""

    outcome: Outcome
    allowed: dict[str, float]


@dataclass
class KnownMistake:
    """A mistake as data: its sentence, and its outcome for the calls that tell it."""

    name: str
    entry: str
    sentence: str
    outcomes: dict[int, Outcome] = field(default_factory=dict)


@dataclass
class AnswerKey:
    """Answers by call id. `mistakes` is None while nobody has asked for them."""

    answers: dict[int, Answer] = field(default_factory=dict)
    mistakes: list[KnownMistake] | None = None


def save(key: AnswerKey, path: Path) -> None:
    """Writes the key under a temporary name and renames it, so that nobody reads half of it."""
    arrays: dict[str, np.ndarray] = {}
    kinds: dict[str, str] = {}

    def store(outcome: Outcome, prefix: str):
        message, leaves = outcome.to_wire()
        for leaf, array in leaves.items():
            name = f"{prefix}/{leaf}"
            kinds[name] = array.dtype.name
            arrays[name] = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
        return message

    header = dict(format=FORMAT, kinds=kinds,
                  answers=[[id, store(answer.outcome, f"a{id}"), answer.allowed] for id, answer in key.answers.items()],
                  mistakes=None if key.mistakes is None else [
                      dict(name=m.name, entry=m.entry, sentence=m.sentence, outcomes=[[id, store(o, f"m{i}.{id}")] for id, o in m.outcomes.items()])
                      for i, m in enumerate(key.mistakes)])
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(path: Path) -> AnswerKey:
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
        header = json.loads(stored["header"].tobytes())
        leaves: dict[str, dict[str, np.ndarray]] = {}
        for name, kind in header["kinds"].items():
            prefix, leaf = name.split("/", 1)
            leaves.setdefault(prefix, {})[leaf] = stored[name].astype(wire.dtype_of(kind))
    answers = {id: Answer(Outcome.from_wire(message, leaves.get(f"a{id}", {})), allowed) for id, message, allowed in header["answers"]}
    known = header["mistakes"]
    mistakes = None if known is None else [
        KnownMistake(m["name"], m["entry"], m["sentence"],
                     {id: Outcome.from_wire(message, leaves.get(f"m{i}.{id}", {})) for id, message in m["outcomes"]})
        for i, m in enumerate(known)]
    return AnswerKey(answers, mistakes)
