"""Conducts: read, start, ask, hear, prove, judge, tell. A verdict goes through each of them once; the only file that
knows them all."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from grader.course.problem import CourseError, Problem
from grader.course.verdict import UNJUDGED, Check, EntryVerdict, Finding, Named, Outcome, Status, Verdict
from grader.process import store
from grader.process.child import Child, Limits, Process, cores_here
from grader.process.stub import Stub, open_stub, shown_path

if TYPE_CHECKING:
    from grader.course.calls import Call
    from grader.course.cases import Entry
    from grader.judge.attempt import Attempt
    from grader.key.answers import Known

# The stages below need NumPy. They are imported once the worker is under way, which imports JAX meanwhile.


def grade(
    problem: Problem,
    path: Path | None = None,
    *,
    stub: Stub | None = None,
    worker: Process | None = None,
    beside: Process | None = None,
    limits: Limits = Limits(),
    seed: int = 0,
    mistakes: bool = True,
    keep: bool = False,
    record: bool = False,
    spare: bool = False,
    only: Container[int] | None = None,
    progress: Callable[[str], None] = lambda text: None,
    prover: Callable[[], Process] | None = None,
    known: Known | None = None,
) -> Verdict:
    """The verdict on one file, read here, or on a `stub` that was read already. `worker` is a warm one to use, if it is
    alive, and one `beside` it takes a share of the calls; `progress` is told what takes long; `known` is the key, for
    who has it already.

    With `keep` the worker can be used again, which is for the course's own code only: student code must not meet
    another's. With `record` what the worker answers is kept for `recording.recall`, whose recording may stand in a
    worker's place; with `spare` a name that is made of the same as when it passed is not run again. `only` names the
    calls to make, by id; what the others would have said is told as not checked.
    `prover` starts the process that derives the facts about programs; without it the worker's own are taken.

    Raises CourseError when the course, not the file, is at fault; so is the grader where it fails on what comes back.
    """
    start = time.perf_counter()
    stub = stub or open_stub(problem, path)
    worker, beside = (one if one and one.alive else None for one in (worker, beside))
    if stub.trouble:
        for waiting in filter(None, (worker, beside)) if not keep else ():
            waiting.kill()
        return without_running(problem, stub, time.perf_counter() - start)
    worker = worker or start_worker(problem, limits)
    try:
        from grader.course.calls import calls_for
        from grader.judge.derive import disguised
        from grader.judge.untouched import told, untouched
        from grader.key.answers import Answers

        whole = not keep and only is None
        calls = calls_for(problem.entries, seed)
        asked = disguised(calls, calls_for(problem.entries, seed + 1)) if prover else calls
        spared = untouched(problem, stub, calls) if spare else {}
        run = Run(
            problem,
            stub,
            worker,
            calls,
            [call for call in asked if (only is None or call.id in only) and call.id not in spared],
            last=not keep,
            mistakes=mistakes,
            whole=only is None,
            progress=progress,
            cache=store.folder(problem.folder.parents[1], "xla", "reference" if keep else "student"),
            prover=prover,
            record=record,
            spared=spared,
            beside=beside,
            another=(lambda left: start_worker(problem, limits=left))
            if isinstance(worker, Process) and whole
            else None,
        )
        ask_all(run)
        with contextlib.nullcontext(known) if known else Answers(problem, calls, seed) as answers:
            verdict = verdict_on(run, answers)
        store.prune(run.cache)
        notes = (*verdict.notes, *answers.notes, *told(spared, calls))
        return replace(verdict, notes=notes, seconds=time.perf_counter() - start)
    except (CourseError, OSError, ImportError):
        raise
    except Exception as error:
        raise CourseError(
            f"what came back from {shown_path(problem, stub.path)} could not be checked: the grader failed on it "
            f"({failed_with(error)})"
        ) from error
    finally:
        if not keep:
            worker.kill()
        if beside:
            beside.kill()


@dataclass
class Run:
    """The run of one attempt, which each stage is told of: whose it is, who makes its calls, and with what.

    `asked` are the calls as the worker gets them (see `derive.disguised`), of which `whole` says that none was left out
    on purpose. The worker reads compiled programs from `cache`, and keeps new ones there if it `writes`; after the
    `last` order it is told that no more come. The one `beside` it makes a share of the calls, where there is one.
    `spared` are outcomes of calls that need not be made. `another(limits)` starts a worker that takes over from one
    that was stopped, `prover()` the process that derives facts: without it the worker's own are taken.
    """

    problem: Problem
    stub: Stub
    worker: Process
    calls: list[Call]
    asked: list[Call]
    cache: Path | None = None
    writes: bool = True
    last: bool = True
    record: bool = False
    spared: dict[int, Outcome] = field(default_factory=dict)
    mistakes: bool = True
    whole: bool = True
    progress: Callable[[str], None] = lambda text: None
    prover: Callable[[], Process] | None = None
    beside: Process | None = None
    another: Callable[[Limits], Process] | None = None


def start_worker(problem: Problem, limits: Limits = Limits()) -> Process:
    """A worker that imports what the problem needs and then waits for `ask`."""
    flax = ["flax"] if problem.needs_flax else []
    return Process(Child("grader.run.worker", *flax, devices=problem.devices), limits)


def start_beside(problem: Problem) -> Process | None:
    """Another worker, where a second core would wait: half of the calls take half of the time."""
    return start_worker(problem) if cores_here() > 1 else None


def without_running(problem: Problem, stub: Stub, seconds: float = 0.0) -> Verdict:
    """The verdict on a file of which everything is known already."""
    return Verdict(
        problem.number,
        problem.name,
        problem.title,
        shown_path(problem, stub.path),
        stub.trouble.status,
        tuple(EntryVerdict(name, stub.trouble.status) for name in problem.names),
        trouble=stub.trouble,
        seconds=seconds,
    )


def ask(run: Run, ids: Container[int] | None = None, *, worker: Process | None = None, singly: bool = False) -> Process:
    """Sends the stub and the calls to the worker, which may begin; or some of them to another one. `singly` it compiles
    no call together with another."""
    worker, calls = worker or run.worker, [call for call in run.asked if ids is None or call.id in ids]
    worker.watched_file = str(run.stub.path)
    order = dict(
        stub=str(run.stub.path),
        source=run.stub.source,
        names=run.problem.names,
        calls=len(calls),
        cache=str(run.cache or ""),
        writes=run.writes,
        memory=worker.limits.memory,
        carry=run.prover is not None,
        singly=singly,
        driver=run.problem.driver,
    )
    worker.send([(order, None), *(call.to_wire() for call in calls)], last=run.last)
    return worker


def ask_all(run: Run) -> None:
    """Sends every call, to each worker its share."""
    if run.beside and not run.asked:
        run.beside.kill()
        run.beside = None
    if run.beside is None:
        ask(run)
        return
    from grader.judge.shares import shares

    here, there = shares(run.asked)
    ask(run, here)
    ask(run, there, worker=run.beside)


def verdict_on(run: Run, answers) -> Verdict:
    """The verdict on what the worker answers. `answers` is where the key comes from."""
    from grader.judge.trouble import trouble_with

    start = time.perf_counter()
    heard = hear(run)
    attempt = prove(run, heard)
    trouble = trouble_with(attempt)
    entries = () if trouble else judge(run, attempt, answers)
    verdict = tell(run, attempt, trouble, entries)
    if run.record:
        keep(run, heard, verdict)
    return replace(verdict, seconds=time.perf_counter() - start)


def hear(run: Run) -> Attempt:
    """What came back from the worker, and from another one that took over."""
    from grader.judge.attempt import attempted

    def once_more(ids, left, singly):
        return ask(run, ids, worker=run.another(left), singly=singly)

    attempt = attempted(
        run.worker,
        run.stub.source,
        [call for call in run.calls if call.id not in run.spared],
        last=run.last,
        beside=run.beside,
        once_more=once_more if run.another else None,
        progress=run.progress,
    )
    return replace(attempt, outcomes=run.spared | attempt.outcomes)


def prove(run: Run, attempt: Attempt) -> Attempt:
    """The attempt with the facts that its programs, not its worker, tell."""
    from grader.judge.derive import derive

    return (
        derive(attempt, run.calls, str(run.stub.path), run.stub.source, run.prover)
        if run.prover and "found" in attempt.messages
        else attempt
    )


def judge(run: Run, attempt: Attempt, answers) -> tuple[EntryVerdict, ...]:
    """What is found of each name."""
    from grader.judge.uses import with_uses

    if not answers.key.answers:
        run.progress("computing the answer key (once)")
    answers.expected()
    found = [_entry_verdict(run, entry, attempt, answers) for entry in run.problem.entries]
    return with_uses(found, run.stub.source)


def tell(run: Run, attempt: Attempt, trouble: Finding | None, entries: tuple[EntryVerdict, ...]) -> Verdict:
    """The verdict that all of it amounts to."""
    from grader.judge.derive import too_long
    from grader.judge.trouble import import_trouble

    if trouble:
        entries = tuple(EntryVerdict(name, trouble.status) for name in run.problem.names)
    elif not any(entry.first for entry in entries):
        open = any(
            finding.status == Status.UNCHECKED and not finding.unproved
            for entry in entries
            for finding in entry.findings
        )
        if attempt.ended.how not in ("finished", "starved") or attempt.ended.how == "finished" and open and run.whole:
            trouble = import_trouble(None, attempt)
    statuses = {trouble.status} if trouble else {entry.status for entry in entries}
    status = Status.FAILED
    if len(statuses) == 1 or statuses == {Status.PASSED, Status.UNCHECKED}:
        (status,) = statuses - {Status.PASSED} or statuses
    problem = run.problem
    return Verdict(
        problem.number,
        problem.name,
        problem.title,
        shown_path(problem, run.stub.path),
        status,
        entries,
        trouble,
        attempt.prints,
        stopped=attempt.stopped or too_long(attempt),
    )


def keep(run: Run, attempt: Attempt, verdict: Verdict) -> None:
    """Keeps what the worker answered, for when it would answer the same."""
    from grader.judge import recording
    from grader.judge.untouched import pieces_passed

    prints = [worker.prints for worker in (run.worker, run.beside) if worker]
    recording.keep(run.problem, run.stub, attempt, prints, pieces_passed(run.problem, run.stub, verdict, prints))


def _entry_verdict(run: Run, entry: Entry, attempt: Attempt, answers) -> EntryVerdict:
    from grader.judge.findings import findings_of
    from grader.judge.parts import part_at_fault, told_part
    from grader.judge.trouble import not_callable

    mine = [call for call in run.calls if call.check.entry == entry.name]
    trouble = not_callable(attempt.messages["found"].get(entry.name, {}), entry.name, run.problem)
    if trouble:
        return EntryVerdict(entry.name, Status.FAILED, (trouble,))
    findings, broken = findings_of(entry, run.problem, mine, attempt, answers.key.answers)
    statuses = {finding.status for finding in findings}
    status = next(
        (status for status in (Status.NOT_WRITTEN, Status.FAILED, Status.UNCHECKED) if status in statuses),
        Status.PASSED,
    )
    verdict = EntryVerdict(entry.name, status, tuple(findings))
    if status != Status.FAILED:
        return verdict
    if run.mistakes and broken:
        verdict = _named(run, verdict, entry, mine, attempt, answers, broken)
    if not (verdict.mistake or verdict.partly):
        verdict = replace(
            verdict,
            findings=tuple(told_part(findings, part_at_fault(entry, mine, attempt.outcomes, answers.key.answers))),
        )
    return verdict


def _named(
    run: Run, verdict: EntryVerdict, entry: Entry, calls: list[Call], attempt: Attempt, answers, broken
) -> EntryVerdict:
    """The verdict with the mistake that explains it, or the two, or the one that explains how it begins."""
    from grader.course.settle import settled
    from grader.judge.diagnose import diagnose
    from grader.judge.pairs import beginning_of, begun_by, in_all, pairs_in, seen_in

    if answers.key.mistakes is None:
        run.progress("reading the bank of mistakes (once)")
    bank = [
        replace(known, outcomes=settled(entry, calls, known.outcomes) if known.entry == entry.name else {})
        for known in answers.mistakes()
    ]
    outcomes = settled(entry, calls, attempt.outcomes)
    if known := diagnose(entry.name, outcomes, answers.key.answers, bank, broken):
        return replace(verdict, mistake=known.name, sentence=known.sentence)
    seen = seen_in(calls, outcomes, answers.key.answers)
    if not seen:
        return verdict
    pairs = pairs_in(seen, bank, answers.composed)
    if len(pairs) == 1:
        one, other = pairs[0]
        return replace(verdict, mistake=one.name, sentence=one.sentence, second=Named(other.name, other.sentence))
    shared = in_all(pairs)
    partly = shared and begun_by(shared, seen, calls, broken)
    return replace(verdict, partly=partly or beginning_of(seen, calls, bank, broken))


def unjudged(problem: Problem, path: Path, error: Exception) -> Verdict:
    """A verdict that says that the grader failed on what came back: nothing is known of the file, and a person has to
    look."""
    return Verdict(
        problem.number,
        problem.name,
        problem.title,
        shown_path(problem, path),
        Status.UNCHECKED,
        tuple(EntryVerdict(name, Status.UNCHECKED) for name in problem.names),
        Finding(
            Check("", UNJUDGED),
            Status.UNCHECKED,
            "it could not be checked: the grader failed on what came back from this file",
            advice="That says nothing about your answer. A person has to look at it; whoever runs the course has been "
            "told.",
        ),
        notes=(failed_with(error),),
    )


def failed_with(error: Exception) -> str:
    """An exception of the grader's own, for whoever mends it."""
    where = error.__traceback__
    while where and where.tb_next:
        where = where.tb_next
    place = f" in {Path(where.tb_frame.f_code.co_filename).name}, line {where.tb_lineno}" if where else ""
    return f"{type(error).__name__}{place}: {' '.join(str(error).split())[:200]}"


def course_fault(problem: Problem, error: CourseError) -> Verdict:
    """A verdict that says that nobody's stub is to blame."""
    return Verdict(
        problem.number,
        problem.name,
        problem.title,
        shown_path(problem, problem.stub),
        Status.COURSE,
        trouble=Finding(
            Check("", "course"),
            Status.COURSE,
            str(error),
            advice="This is not your mistake: tell whoever runs the course.",
        ),
    )
