"""The nouns of a class run: what was asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from grader.classroom.book.entries import Wanted
from grader.course.problem import Problem


@dataclass(frozen=True)
class Orders:
    """What the instructor asked for."""

    submissions: Path
    out: Path
    problems: list[Problem]
    everything: list[Problem]  # of the course, whether it is graded now or not
    waived: Collection[str] = ()
    roster: Path | None = None
    regrade: bool = False
    accept: bool = False
    discard: bool = False
    similar: bool = False
    assignment: str = ""
    # whether totals are written out of what the roster's system counts out of
    scaled: bool = False
    cores: int | None = None
    dask: str = ""
    json: bool = False


@dataclass
class Tally:
    """What became of a run."""

    graded: int = 0
    kept: int = 0  # verdicts of earlier runs
    unread: int = 0
    unjudged: int = 0  # verdicts that say that the grader failed on a file
    proposed: int = 0  # verdicts that wait until they are accepted or discarded
    # what the run was not asked to grade and has no verdict: it waits for a run that is
    unasked: list[Wanted] = field(default_factory=list)
    # what got no verdict, and why: graded by the next run
    faults: list[tuple[Wanted, str]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # limits that were waived, with what was seen
