"""Where the answer key comes from: `solutions/`, by the cache or by a process that computes it while the student's
worker runs; or, in a students' course, `answers.npz`."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.course.calls import Call
from grader.course.problem import CourseError, Problem
from grader.course.verdict import Outcome
from grader.key import key as keys
from grader.key.key import Answer, AnswerKey, KnownMistake
from grader.process import store
from grader.process.child import Child, Limits, Process

GRADER = Path(__file__).resolve().parents[1]
PATIENT = Limits(cpu=600, idle=600, work=float("inf"), total=float("inf"), memory=8 << 30)
OURS = f"{CourseError.__module__}.{CourseError.__qualname__}: "  # how a traceback begins what we say ourselves
ROOMS = ("course", "program", "run", "key")  # of the grader, from which a key follows


class Answers:
    """The key of one problem, for one set of calls. Close it, so that what was computed is kept."""

    def __init__(self, problem: Problem, calls: list[Call], seed: int = 0):
        self.problem, self.calls, self.root = problem, calls, problem.folder.parents[1]
        self.notes: list[str] = []
        self.key = AnswerKey()
        self._process: Process | None = None
        self._composer: Process | None = None
        self._new = self._new_pairs = False
        self.path: Path | None = None
        # in a file of their own, which only a wrong answer that nothing else explains needs
        self.path_of_pairs: Path | None = None
        if problem.solutions is None:
            self.key = _released(problem)
            return
        folder = store.folder(self.root, "keys")
        self.path = folder / f"{problem.name}-{key_digest(problem, seed)}.npz" if folder else None
        self.path_of_pairs = self.path and self.path.with_suffix(".pairs.npz")
        if self.path and self.path.exists():
            try:
                self.key = keys.load(self.path)
            except Exception:  # half a disk, an older format: compute it anew
                self.path.unlink(missing_ok=True)
        if not self.key.answers:
            self._start()

    def expected(self) -> dict[int, Answer]:
        """The answers, waiting for them if need be."""
        if not self.key.answers:
            found: dict[int, Answer] = {}
            for message, arrays in self._frames:
                if "answered" in message:
                    break
                found |= Answer.from_wire(message, arrays)
            # all of them or none: what is interrupted must not be kept as if it were whole
            self.key.answers = found
        return self.key.answers

    def mistakes(self) -> list[KnownMistake]:
        """What the known mistakes give, waiting for it if need be."""
        if self.key.mistakes is None:
            if self._process is None:
                self._start()
                for message, _ in self._frames:  # the answers are here already
                    if "answered" in message:
                        break
            self.expected()
            found: list[KnownMistake] = []
            for message, arrays in self._frames:
                if "mistake" in message:
                    found.append(
                        KnownMistake(message["mistake"], message["entry"], message["sentence"], about=message["about"])
                    )
                elif "outcome" in message:
                    found[-1].outcomes[message["outcome"]] = Outcome.from_wire(message, arrays)
            self.key.mistakes, self._new = found, True
        return self.key.mistakes

    def composed(
        self, wanted: Sequence[tuple[int, int, Sequence[int]]]
    ) -> Mapping[tuple[int, int], Mapping[int, Outcome]]:
        """What pairs of mistakes give, by their places in the bank: for each of `wanted` the second, made in what the
        first gave, at the calls with these ids. What cannot be found out is left out; where there is no `solutions/`,
        that is what the key does not hold."""
        if self.path_of_pairs and not self.key.pairs and self.path_of_pairs.exists():
            with contextlib.suppress(Exception):  # half a disk, an older format: compose them anew
                self.key.pairs = keys.load(self.path_of_pairs).pairs
        if self.problem.solutions and (new := [order for order in wanted if not self._is_composed(*order)]):
            self._compose(new)
        return self.key.pairs

    def _is_composed(self, one: int, other: int, ids: Sequence[int]) -> bool:
        known = self.key.pairs.get((one, other))
        return known is not None and (not known or known.keys() >= {*ids})

    def _compose(self, wanted: Sequence[tuple[int, int, Sequence[int]]]) -> None:
        frames = [({"compose": wanted}, None)]
        if self._composer is None:
            self._composer = Process(Child("grader.authors.reference", devices=self.problem.devices), PATIENT)
            frames = [*self._order(pairs=True), *frames]
        self._composer.send(frames, last=False)
        found, of = {}, None
        for message, arrays in self._composer.frames(last=False):
            if "outcome" in message:
                found[message["outcome"]] = Outcome.from_wire(message, arrays)
            elif of:  # whole, now that something else follows
                self.key.pairs[of], self._new_pairs = found, True
            if "pair" in message:
                found, of = {}, tuple(message["pair"])

    def close(self) -> None:
        for process in (self._process, self._composer):
            if process:
                process.kill()
        if self._new_pairs and self.path_of_pairs:
            with contextlib.suppress(OSError):
                keys.save(AnswerKey(pairs=self.key.pairs), self.path_of_pairs)
        if self._new and self.path and self.key.answers:
            try:
                keys.save(replace(self.key, pairs={}), self.path)
                for old in self.path.parent.glob(f"{self.problem.name}-*.npz"):
                    if (
                        old not in (self.path, self.path_of_pairs)
                        and old.stat().st_mtime < self.path.stat().st_mtime - 86400
                    ):
                        old.unlink(missing_ok=True)
            except OSError as error:
                self.notes.append(
                    f"The answer key could not be kept ({error.strerror}); the next run computes it again."
                )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self) -> None:
        for part in ("reference.py", "mistakes.py"):
            if not (self.problem.solutions / part).exists():
                raise CourseError(f"solutions/{self.problem.name}/{part} is missing")
        self._new = True
        self._process = Process(Child("grader.authors.reference", devices=self.problem.devices), PATIENT)
        self._process.send(self._order(pairs=False))
        self._frames = self._checked(self._process.frames())

    def _order(self, pairs: bool) -> list[tuple]:
        order = dict(
            root=str(self.root),
            problem=self.problem.number,
            calls=len(self.calls),
            raises=[call.raises for call in self.calls],
            drawn=[call.drawn for call in self.calls],
            cache=str(store.folder(self.root, "xla", "reference") or ""),
            pairs=pairs,
            answers=len(self.key.answers),
        )
        return [
            (order, None),
            *(call.to_wire() for call in self.calls),
            *(answer.to_wire(id) for id, answer in self.key.answers.items()),
        ]

    def _checked(self, frames):
        ended = yield from frames
        if ended.how != "finished":
            said = (self._process.prints.strip().splitlines() or ["it said nothing"])[-1]
            if said.startswith(OURS):
                raise CourseError(
                    f"{'' if self.problem.name in said else f'{self.problem.name}: '}{said.removeprefix(OURS)}"
                )
            raise CourseError(
                f"the reference of {self.problem.name} did not finish ({ended.how} {ended.detail}): {said}"
            )


@dataclass(frozen=True)
class Known:
    """A whole key that is here already, in the place of Answers: the same one serves any number of attempts at once."""

    key: AnswerKey
    notes: tuple[str, ...] = ()

    def expected(self) -> dict[int, Answer]:
        return self.key.answers

    def mistakes(self) -> list[KnownMistake]:
        return self.key.mistakes or []

    def composed(
        self, wanted: Sequence[tuple[int, int, Sequence[int]]]
    ) -> Mapping[tuple[int, int], Mapping[int, Outcome]]:
        return self.key.pairs


def _released(problem: Problem) -> AnswerKey:
    """The key that came with a students' course."""
    path = problem.released_key
    if not path.exists():
        raise CourseError(
            f"there is no answer key for {problem.name}: neither solutions/{problem.name}/ nor "
            f"problems/{problem.name}/answers.npz is here"
        )
    try:
        key = keys.load(path)
    except Exception as error:
        raise CourseError(f"problems/{problem.name}/answers.npz cannot be read: get it anew from the course") from error
    if key.source != source_of(problem):
        raise CourseError(
            f"problems/{problem.name}/answers.npz belongs to other checks, another stub or another grader: get the "
            f"course's files anew"
        )
    return key


def source_of(problem: Problem) -> str:
    """Names what a released key has to fit: the checks, the shipped stub and the harness, of which students have their
    own copies."""
    digest = hashlib.sha256()
    for path in [*(path for path in problem.content() if path.parent == problem.folder), *_harness()]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:16]


def key_digest(problem: Problem, seed: int) -> str:
    """Names the content that a key follows from: the problem, the harness, the versions, the seed."""
    digest = hashlib.sha256(
        repr([keys.FORMAT, seed, *(importlib.metadata.version(name) for name in ("jax", "flax", "numpy"))]).encode()
    )
    for path in [*problem.content(), *_harness(), GRADER / "authors/reference.py"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _harness() -> list[Path]:
    return sorted(path for room in ROOMS for path in (GRADER / room).glob("*.py"))
