"""What a gradebook holds: a verdict with what it was given under, the grade that follows, points by hand."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from grader.classroom.arrivals.submission import Piece
from grader.course.verdict import Status, Verdict
from grader.report import machine

ROUNDS = 1 << 16  # at most, in a class's life


class Wanted(NamedTuple):
    """What is to be graded: a student's content for a problem, by its digest."""

    student: str
    problem: int
    digest: str


@dataclass(frozen=True)
class Circumstances:
    """What a verdict was given under: what is needed to give it again when a student complains."""

    key: str = ""  # digest of the answer key
    seed: int = 0  # that the inputs were drawn from
    course: str = ""  # its version
    jax: str = ""
    grader: str = ""
    python: str = ""
    waived: tuple[str, ...] = ()  # limits that the machine could not give
    trusted: tuple[str, ...] = ()  # facts that the submission's own process told
    seconds: float = 0.0
    graded_at: str = ""  # in UTC; now, where it is empty

    @property
    def round(self) -> int:
        """Which draw of the inputs it was given on. Unlike the seed it tells nothing of another."""
        return self.seed % ROUNDS


@dataclass(frozen=True)
class Record:
    """One verdict to write down. `verdict` is its JSON (`machine.data`). One that was `stopped` by the clock may be
    another on a machine that does nothing else."""

    wanted: Wanted
    verdict: Mapping
    content: bytes = b""
    place: str = ""
    under: Circumstances = Circumstances()
    stopped: bool = False


@dataclass(frozen=True)
class Grade:
    """The verdict on an attempt, as the gradebook has it."""

    student: str
    problem: int
    digest: str
    place: str
    attempt: int
    attempts: int  # how many different contents this student has handed in for the problem
    status: Status
    mistakes: tuple[str, ...]
    under: Circumstances
    packed: bytes

    @property
    def data(self) -> dict:
        """The verdict's JSON."""
        return json.loads(zlib.decompress(self.packed))

    @property
    def unjudged(self) -> bool:
        """Whether the grader failed on it."""
        return self.status == Status.UNCHECKED and self.verdict.unjudged

    @property
    def verdict(self) -> Verdict:
        """Made anew each time: ten thousand of them would fill the memory."""
        return machine.restored(self.data)


@dataclass(frozen=True)
class Override:
    """Points that an instructor gave by hand, or took back (`points` is None). `attempt` is the one that counted then,
    `weight` what the problem was worth."""

    student: str
    problem: int
    points: float | None
    reason: str
    who: str
    at: str
    attempt: int | None
    weight: float | None = None  # unknown in gradebooks from before it was kept

    def worth(self, weight: float) -> float:
        """The points, where the problem is worth `weight` now: as large a part of it as they were then."""
        return self.points / self.weight * weight if self.weight else self.points


def digest_of(piece: Piece) -> str:
    """Names what was handed in. What could not be read is known by its trouble, so that another trouble is another
    attempt."""
    return hashlib.sha256(
        piece.content if not piece.trouble else b"trouble\0" + piece.trouble.encode() + b"\0" + piece.content
    ).hexdigest()
