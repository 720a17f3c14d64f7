"""Proves that a problem holds together: stub, lesson, hints, reference, right answers and mistakes. For authors and
CI."""

from __future__ import annotations

import ast
import concurrent.futures
import contextlib
import functools
import os
import queue
import tempfile
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.table import Table
from rich.text import Text

from grader.authors import ledger, telling
from grader.authors.mutants import CAUGHT_BY, OF_KEYS
from grader.authors.proofread import faults_of
from grader.course import problem as course
from grader.course.calls import Call, calls_for
from grader.course.problem import CourseError, Problem
from grader.course.settle import settle, settled
from grader.course.verdict import Outcome, Status
from grader.judge.attempt import listen
from grader.judge.diagnose import diagnose
from grader.judge.grade import Run, ask, grade, start_worker
from grader.key.answers import Answers, Known
from grader.key.compare import agree
from grader.key.key import AnswerKey
from grader.process import store
from grader.process.stub import open_stub

STUDENT_FILES = {"README.md", "stub.py", ".stub.py", "checks.py", "driver.py", "hints.md", "attempt.py", "mended.py"}
INSTRUCTOR_FILES = {"reference.py", "mistakes.py", "unseen.py", "right"}
NEEDED_HINTS, NEEDED_RIGHT, NEEDED_MISTAKES = 3, 3, 8
COUNTED = ("checks", "cases", "right", "mistakes", "caught", "named", "tried")
AT_ONCE = min(4, os.cpu_count() or 2)
# bytes of a worker whose memory has grown with what it compiled, and that is used no more
FULL = 1 << 30

# How a mistake or a reference is put in the stub's place.
STAND_IN = """from pathlib import Path
from grader.authors.stand_in import names
globals().update(names(Path({folder!r}), {number}, {mistake!r}))
"""
MUTANT = """from grader.authors.mutants import mutated
globals().update(mutated({name!r}, names(Path({folder!r}), {number}, "")))
"""


class Workers:
    """The workers that wait for the next piece of the course's own code, of whichever problem."""

    def __init__(self):
        # by the number of devices that they have
        self.idle: dict[int, queue.SimpleQueue] = defaultdict(queue.SimpleQueue)

    def grade(self, problem: Problem, path: Path, key: AnswerKey, only=None):
        with self._one(problem) as worker:
            return grade(problem, path, worker=worker, keep=True, only=only, known=Known(key))

    def outcomes(self, problem: Problem, path: Path, calls: list[Call]) -> dict[int, Outcome]:
        """What a file of the course's own gives for some calls, judged by nobody."""
        stub = open_stub(problem, path)
        with self._one(problem) as worker:
            ask(
                Run(
                    problem,
                    stub,
                    worker,
                    calls,
                    calls,
                    store.folder(problem.folder.parents[1], "xla", "reference"),
                    last=False,
                )
            )
            attempt = listen(worker, stub.source, calls, last=False)
        if attempt.ended.how != "finished" or "import failed" in attempt.messages:
            raise CourseError(f"what the cases tell could not be tried: {attempt.ended.how} {attempt.ended.detail}")
        return attempt.outcomes

    @contextlib.contextmanager
    def _one(self, problem: Problem):
        """A worker for a while: one that waits, or a new one."""
        try:
            worker = self.idle[problem.devices].get_nowait()
        except queue.Empty:
            worker = start_worker(problem)
        try:
            yield worker
        finally:
            if worker.alive and (usage := worker.process.usage()) and usage.memory < FULL:
                self.idle[problem.devices].put(worker)
            else:
                worker.kill()

    def close(self) -> None:
        for idle in self.idle.values():
            while not idle.empty():
                idle.get_nowait().kill()


@dataclass
class Proof:
    """What verify found out about one problem."""

    problem: Problem
    checks: int = 0
    cases: int = 0
    right: int = 0
    mistakes: int = 0
    caught: int = 0
    named: int = 0
    tried: int = 0  # by the gates of `telling.py`
    faults: list[str] = field(default_factory=list)
    kept: bool = False  # whether all of it is from an earlier run
    workers: Workers = field(default_factory=Workers)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, problem: Problem, workers: Workers, anew: bool) -> Proof:
        found = None if anew else ledger.recall(problem)
        return cls(problem, workers=workers, kept=True, **found) if found else cls(problem, workers=workers)

    @functools.cached_property
    def _key(self) -> AnswerKey:
        with Answers(self.problem, calls_for(self.problem.entries)) as answers:
            answers.expected()
            answers.mistakes()
            return answers.key

    @property
    def key(self) -> AnswerKey:
        """The problem's answer key with its mistakes, computed once, by whoever needs it first."""
        with self.lock:
            return self._key

    def prepare(self) -> None:
        """Computes the key ahead of those who need it; they are told what keeps it from them."""
        with contextlib.suppress(Exception):
            _ = self.key if self.problem.solutions else None


def verify(root: Path, problems: list[Problem], console, *, anew: bool = False) -> int:
    """Prints a table and every fault; returns 0 when there is none, 2 otherwise. What was verified as it is, and held
    together, is not verified again, unless `anew`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    workers = Workers()
    proofs = [Proof.of(problem, workers, anew) for problem in problems]
    faults = stray_files(root)
    with (
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        ) as progress,
        concurrent.futures.ThreadPoolExecutor(1) as ahead,
        concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        tasks = [(proof, trial) for proof in proofs if not proof.kept for trial in _trials(proof)]
        bar = progress.add_task("verifying", total=len(tasks))
        for proof in proofs:
            if not proof.kept:
                ahead.submit(proof.prepare)
        running = {pool.submit(_guarded, proof, trial): proof for proof, trial in tasks}
        try:
            for done in concurrent.futures.as_completed(running):
                proof = running[done]
                proof.faults += done.result()
                progress.update(bar, advance=1, description=f"verifying {proof.problem.number}")
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)
            pool.shutdown(wait=True, cancel_futures=True)
            workers.close()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("problem", *COUNTED, ""):
        table.add_column(column, justify="left" if column in ("problem", "") else "right")
    for proof in proofs:
        mark = Text("✗", style="bold red") if proof.faults else Text("✓", style="green")
        table.add_row(
            proof.problem.name,
            *map(str, (getattr(proof, column) for column in COUNTED)),
            mark + Text(" as verified before" * proof.kept, style="dim"),
        )
        if not proof.faults and not proof.kept:
            ledger.note(proof.problem, {column: getattr(proof, column) for column in COUNTED})
    console.print(table)
    # one that every gate meets is one
    faults += [f"{proof.problem.name}: {fault}" for proof in proofs for fault in sorted({*proof.faults})]
    for fault in faults:
        console.print(Text.assemble(("✗ ", "bold red"), fault), soft_wrap=True)
    console.print(
        "every problem holds together" if not faults else f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    )
    return 2 if faults else 0


def stray_files(root: Path) -> list[str]:
    """Numbers used twice, and files and folders that belong to no problem."""
    faults = []
    problems = course.discover(root)
    numbers = Counter(problem.number for problem in problems)
    faults += [f"the number {number} is used {count} times" for number, count in numbers.items() if count > 1]
    names = {problem.name for problem in problems}
    for half, allowed in (("problems", STUDENT_FILES), ("solutions", INSTRUCTOR_FILES)):
        for folder in sorted((root / half).glob("*")):
            if folder.name not in names:
                faults.append(f"stray: {half}/{folder.name}")
                continue
            faults += [
                f"stray: {half}/{folder.name}/{path.name}"
                for path in sorted(folder.iterdir())
                if path.name not in allowed and path.name != "__pycache__"
            ]
    return faults


def _trials(proof: Proof):
    """The things to try for one problem, each a function that returns faults."""
    problem = proof.problem
    trials = [lambda: _parts(proof), lambda: faults_of(problem)]
    if problem.solutions is None:
        return [*trials, lambda: [f"solutions/{problem.name}/ is missing"]]
    trials += [lambda: _unwritten(proof), lambda: _passes(proof, "the reference", _stand_in(problem, ""))]
    for path in sorted((problem.solutions / "right").glob("*.py")):
        proof.right += 1
        trials.append(lambda path=path: _passes(proof, f"right/{path.name}", path.read_text(encoding="utf-8")))
    calls = calls_for(problem.entries)
    trials.append(
        lambda: _counted(
            proof, [*telling.constants_that_pass(calls, proof.key), *telling.answers_that_repeat(calls, proof.key)]
        )
    )
    trials += [lambda entry=entry: _arguments_count(proof, entry, calls) for entry in problem.entries]
    trials += [
        lambda entry=entry: _draws_are_told(proof, entry, calls)
        for entry in problem.entries
        if any(call.drawn and call.check.entry == entry.name for call in calls)
    ]
    trials += [lambda name=name: _mutants_are_caught(proof, name, calls) for name in CAUGHT_BY]
    try:
        bank = course.mistakes(problem.solutions / "mistakes.py")
    except CourseError as error:
        return [*trials, lambda message=str(error): [message]]
    proof.mistakes = len(bank)
    trials.append(lambda: _told_apart(proof, bank, calls))
    first = {known.entry: known for known in reversed(bank)}
    trials += [lambda known=known: _caught(proof, known) for known in first.values()]
    sentences = Counter(known.sentence for known in bank if not known.form)
    trials.append(
        lambda: (
            [f"mistake {known.name} has no sentence" for known in bank if not known.sentence and not known.form]
            + [f"{count} mistakes say: {sentence}" for sentence, count in sentences.items() if count > 1 and sentence]
        )
    )
    return trials


def _guarded(proof: Proof, trial) -> list[str]:
    try:
        return trial()
    except CourseError as error:
        return [str(error)]
    except Exception as error:  # a broken problem must not hide the faults of the others
        return [f"{type(error).__name__}: {error}"]


def _parts(proof: Proof) -> list[str]:
    problem, faults = proof.problem, []
    if not problem.stub.exists():
        faults.append("stub.py is missing")
    if not problem.pristine.exists():
        return [*faults, ".stub.py, the copy of the stub that `reset` puts back, is missing"]
    if problem.stub.exists() and problem.stub.read_bytes() != problem.pristine.read_bytes():
        faults.append(
            "stub.py is not what .stub.py says: the stub is solved, or one of them was changed without the other"
        )
    if not problem.part:
        faults.append('checks.py declares no PART, the part of the track that it belongs to: PART = "The core"')
    if len(problem.hints) < NEEDED_HINTS:
        faults.append(f"hints.md has {len(problem.hints)} hints; at least {NEEDED_HINTS} are needed")
    faults += [f"hint {i + 1} is empty" for i, hint in enumerate(problem.hints) if not hint]
    right = len(list((problem.solutions / "right").glob("*.py"))) if problem.solutions else 0
    if right < NEEDED_RIGHT:
        faults.append(f"right/ has {right} solutions in other styles; at least {NEEDED_RIGHT} are needed")
    if problem.solutions and (problem.solutions / "mistakes.py").exists():
        count = len(course.mistakes(problem.solutions / "mistakes.py"))
        if count < NEEDED_MISTAKES:
            faults.append(f"mistakes.py has {count} mistakes; about ten are needed")
    written = [problem.lesson, problem.folder / "hints.md", problem.folder / "checks.py"]
    written += sorted(problem.solutions.rglob("*.py")) if problem.solutions else []
    faults += [
        f"{path.name} has a TODO left"
        for path in written
        if path.exists() and "TODO" in path.read_text(encoding="utf-8").replace("the TODO", "")
    ]
    faults += _loops_without_end(problem)
    undeclared = {entry.name for entry in problem.entries} ^ {*problem.names}
    if undeclared:
        faults.append(f"checks.py and the stub disagree on the names {', '.join(sorted(undeclared))}")
    return faults


def _loops_without_end(problem: Problem) -> list[str]:
    """A class run meets draws that no author has seen: none may wait for what never comes."""
    drawing = [problem.folder / "checks.py", *([problem.solutions / "unseen.py"] if problem.solutions else [])]
    return [
        f"{path.name} line {node.lineno}: a loop may go on for ever; draw by drawn_until(holds, draw) of grader.course"
        for path in drawing
        if path.exists()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.While)
    ]


def _unwritten(proof: Proof) -> list[str]:
    """The stub fails as not written: as it is, without being run, and with one more comment, when it is."""
    problem = proof.problem
    if grade(problem, problem.pristine).status != Status.NOT_WRITTEN:
        return ["the stub is not recognised as not written"]
    verdict = _graded(proof, problem.pristine.read_text(encoding="utf-8") + "\n# a comment\n")
    return (
        []
        if verdict.status == Status.NOT_WRITTEN
        else [f"the stub, when it runs, is not told as not written: {_told(verdict)}"]
    )


def _passes(proof: Proof, what: str, source: str) -> list[str]:
    verdict = _graded(proof, source)
    if what == "the reference":
        findings = [finding for entry in verdict.entries for finding in entry.findings]
        proof.checks = len(findings)
        proof.cases = len({(finding.check.entry, finding.check.case) for finding in findings})
    return [] if verdict.status == Status.PASSED else [f"{what} does not pass: {_told(verdict)}"]


def _told_apart(proof: Proof, bank: list, calls: list[Call]) -> list[str]:
    """Each mistake is caught and named, judged from what it gave when the key was computed. Where that does not show
    it, it goes the way of a student's file."""
    entries, faults = {entry.name: entry for entry in proof.problem.entries}, []
    told = {
        name: [
            replace(known, outcomes=settled(entry, calls, known.outcomes))
            for known in proof.key.mistakes
            if known.entry == name
        ]
        for name, entry in entries.items()
    }
    for known, mine in zip(bank, proof.key.mistakes, strict=True):
        candidates = told[mine.entry]
        outcomes = next(
            other.outcomes
            for other, one in zip(candidates, (k for k in proof.key.mistakes if k.entry == mine.entry), strict=True)
            if one is mine
        )
        broken = {
            id: True
            for id, outcome in mine.outcomes.items()
            if id in proof.key.answers
            and not agree(proof.key.answers[id].outcome, outcome, proof.key.answers[id].allowed)
        }
        broken |= {
            id: True
            for group, sign in settle(entries[mine.entry], calls, mine.outcomes).values()
            if sign
            for id in group
        }
        named = diagnose(mine.entry, outcomes, proof.key.answers, candidates, broken)
        if named and named.name == known.name:
            proof.caught, proof.named = proof.caught + 1, proof.named + 1
        else:
            faults += _caught(proof, known, counted=True)
    return faults


def _caught(proof: Proof, known, *, counted: bool = False) -> list[str]:
    """A mistake is graded on the calls that tell it; under the other names stands the reference, which is graded by
    itself."""
    entry = known.entry or proof.problem.entries[0].name
    telling = {
        id for other in proof.key.mistakes if other.name == known.name and other.entry == entry for id in other.outcomes
    }
    verdict = _graded(proof, _stand_in(proof.problem, known.id), telling)
    if verdict.status in (Status.PASSED, Status.UNCHECKED):
        return [f"mistake {known.id} is not caught" + f": {_told(verdict)}" * (verdict.status != Status.PASSED)]
    proof.caught += counted
    named = next((e.mistake for e in verdict.entries if e.name == entry), "")
    if named != known.name:
        return [f"mistake {known.id} is named {named or 'nothing'}: {_told(verdict)}"]
    proof.named += counted
    return []


def _counted(proof: Proof, tried: list[str | None]) -> list[str]:
    """The faults among what a gate tried."""
    proof.tried += len(tried)
    return [fault for fault in tried if fault]


def _arguments_count(proof: Proof, entry, calls: list[Call]) -> list[str]:
    changed = telling.changed_calls(entry, calls)
    outcomes = _outcomes(proof, _stand_in(proof.problem, ""), [other for _, _, other in changed])
    return _counted(proof, [*telling.arguments_that_make_no_difference(entry, changed, outcomes, proof.key)])


def _draws_are_told(proof: Proof, entry, calls: list[Call]) -> list[str]:
    changed = telling.drawn_otherwise(entry, calls)
    outcomes = _outcomes(proof, _stand_in(proof.problem, ""), [other for _, _, other in changed]) if changed else {}
    right = {call.id: outcomes[other.id] for call, what, other in changed if what == telling.AS_IT_IS}
    asked = [call for call in calls if call.id in right]
    twice = _outcomes(proof, _mutant(proof.problem, OF_KEYS), asked) if asked else {}
    return _counted(
        proof,
        [
            *telling.cases_that_nothing_tells(entry, calls),
            *telling.draws_that_pass(entry, changed, outcomes),
            *telling.one_key_twice(entry, asked, right, twice),
        ],
    )


def _mutants_are_caught(proof: Proof, name: str, calls: list[Call]) -> list[str]:
    asked = telling.caught_by(name, calls, proof.key)
    came = _outcomes(proof, _mutant(proof.problem, name), asked) if asked else {}
    cases = {(entry.name, case): told for entry in proof.problem.entries for case, told in entry.cases.items()}
    # a name that takes no arrays may keep what it gave
    idle = {
        call.id
        for call in asked
        if call.check.kind == "again" and "again" in cases[call.check.entry, call.check.case].idle
    }
    return _counted(proof, [*telling.mutants_that_pass(name, asked, came, proof.key, idle)])


def _mutant(problem: Problem, name: str) -> str:
    return _stand_in(problem, "") + MUTANT.format(
        name=name, folder=str(problem.folder.parents[1]), number=problem.number
    )


def _outcomes(proof: Proof, source: str, calls: list[Call]) -> dict[int, Outcome]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stub.py")
        path.write_text(source, encoding="utf-8")
        return proof.workers.outcomes(proof.problem, path, calls)


def _graded(proof: Proof, source: str, only=None):
    key = proof.key
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stub.py")
        path.write_text(source, encoding="utf-8")
        return proof.workers.grade(proof.problem, path, key, only)


def _stand_in(problem: Problem, mistake: str) -> str:
    return STAND_IN.format(folder=str(problem.folder.parents[1]), number=problem.number, mistake=mistake)


def _told(verdict) -> str:
    if verdict.trouble:
        return verdict.trouble.summary
    entry = next((e for e in verdict.entries if e.first), None)
    return (
        f"{entry.first.check.case} · {entry.first.check.kind}: {entry.first.summary}" if entry else verdict.status.value
    )
