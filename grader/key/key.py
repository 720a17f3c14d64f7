"""The answer key: what each call must give, how far off is allowed, and what the known mistakes give. Data only;
grading knows only this.

It is kept as a compressed `.npz` without code, with a frame of `wire.py` for the answers and one for the mistakes.
"""

from __future__ import annotations

import io
import itertools
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grader.course.verdict import Outcome
from grader.process import wire

FORMAT = 5


@dataclass
class Answer:
    """The expected outcome of a call (arrays in the call's dtype, values from float64) and the allowed absolute error
    for each leaf."""

    outcome: Outcome
    allowed: dict[str, float]

    def to_wire(self, id: int):
        message, arrays = self.outcome.to_wire()
        return {"answer": id, "allowed": self.allowed, **message}, arrays

    @classmethod
    def from_wire(cls, message, arrays) -> dict[int, Answer]:
        return {message["answer"]: cls(Outcome.from_wire(message, arrays), message["allowed"])}


@dataclass
class KnownMistake:
    """A mistake as data: its sentence, its outcome for the calls that tell it, and what it is about, where others are
    about the same."""

    name: str
    entry: str
    sentence: str
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    about: str = ""


@dataclass
class AnswerKey:
    """Answers by call id. `mistakes` is None while nobody has asked for them. `source` names the checks and the harness
    that a released key follows from.

    `pairs` are what was found out of two mistakes at once, by their places among all of the bank: the second made in
    what the first gave. One without outcomes is one that the second makes nothing of, since it does not ask the
    reference.
    """

    answers: dict[int, Answer] = field(default_factory=dict)
    mistakes: list[KnownMistake] | None = None
    source: str = ""
    pairs: dict[tuple[int, int], dict[int, Outcome]] = field(default_factory=dict)


def packed(key: AnswerKey) -> bytes:
    """The key as the bytes of an `.npz`."""
    frames = {
        "answers": _packed([[id, answer.outcome, answer.allowed] for id, answer in key.answers.items()], [key.source])
    }
    if key.mistakes is not None:
        told = [[id, outcome, {}] for m in key.mistakes for id, outcome in m.outcomes.items()]
        frames["mistakes"] = _packed(
            told, [[m.name, m.entry, m.sentence, m.about, len(m.outcomes)] for m in key.mistakes]
        )
    if key.pairs:
        told = [[id, outcome, {}] for outcomes in key.pairs.values() for id, outcome in outcomes.items()]
        frames["pairs"] = _packed(told, [[*pair, len(outcomes)] for pair, outcomes in key.pairs.items()])
    stream = io.BytesIO()
    np.savez_compressed(stream, **{name: np.frombuffer(frame, np.uint8) for name, frame in frames.items()})
    return stream.getvalue()


def unpacked(content: bytes) -> AnswerKey:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        [source], answers = _unpacked(stored["answers"])
        mistakes = None
        if "mistakes" in stored:
            listed, outcomes = _unpacked(stored["mistakes"])
            outcomes = iter(outcomes)
            mistakes = [
                KnownMistake(
                    name, entry, sentence, {id: outcome for id, outcome, _ in itertools.islice(outcomes, count)}, about
                )
                for name, entry, sentence, about, count in listed
            ]
        listed, outcomes = _unpacked(stored["pairs"]) if "pairs" in stored else ((), ())
        outcomes = iter(outcomes)
        pairs = {
            (one, other): {id: outcome for id, outcome, _ in itertools.islice(outcomes, count)}
            for one, other, count in listed
        }
    return AnswerKey({id: Answer(outcome, allowed) for id, outcome, allowed in answers}, mistakes, source, pairs)


def save(key: AnswerKey, path: Path) -> None:
    """Writes the key under a temporary name and renames it, so that nobody reads half of it."""
    content = packed(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(path: Path) -> AnswerKey:
    return unpacked(path.read_bytes())


def _packed(entries: list, listed=()) -> bytes:
    """One frame with all outcomes: thousands of small arrays are read faster than as thousands of files in a zip. Equal
    ones are written once: a mistake leaves most of what is right as it is."""
    messages, arrays, places = [], {}, {}
    for id, outcome, allowed in entries:
        message, leaves = outcome.to_wire()
        place_of = {}
        for leaf, array in leaves.items():
            content = array.dtype.name, array.shape, array.tobytes()
            place_of[leaf] = place = places.setdefault(content, str(len(places)))
            arrays[place] = array
        messages.append([id, message, allowed, place_of])
    return wire.pack(dict(format=FORMAT, listed=list(listed), outcomes=messages), arrays)


def _unpacked(stored: np.ndarray):
    message, arrays = wire.receive(io.BytesIO(stored.tobytes()))
    return message["listed"], [
        (id, Outcome.from_wire(told, {leaf: arrays[place] for leaf, place in place_of.items()}), allowed)
        for id, told, allowed, place_of in message["outcomes"]
    ]
