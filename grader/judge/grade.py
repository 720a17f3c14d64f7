"""Conducts: stub -> calls -> worker and key -> judgement -> diagnosis -> Verdict. The only file that imports every stage."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from grader.course.problem import CourseError, Problem
from grader.course.verdict import UNJUDGED, Check, EntryVerdict, Finding, Named, Status, Verdict
from grader.process import store
from grader.process.child import Child, Limits, Process
from grader.process.stub import Stub, open_stub, shown_path

if TYPE_CHECKING:
    from grader.key.answers import Known

# The stages below need NumPy. They are imported once the worker is under way, which imports JAX meanwhile.


def grade(problem: Problem, path: Path | None = None, *, stub: Stub | None = None, worker: Process | None = None, limits: Limits = Limits(), seed: int = 0,
          mistakes: bool = True, keep: bool = False, only: Container[int] | None = None, progress: Callable[[str], None] = lambda text: None,
          prover: Callable[[], Process] | None = None, known: Known | None = None) -> Verdict:
    """The verdict on one file, read here, or on a `stub` that was read already. `worker` is a warm one to use, if it is alive; `progress` is told what takes long; `known` is the key, for who has it already.

    With `keep` the worker can be used again, which is for the course's own code only: student code must not meet another's. `only` names
    the calls to make, by id; what the others would have said is told as not checked. `prover` starts the process that derives the facts about
    programs; without it the worker's own are taken.

    Raises CourseError when the course, not the file, is at fault; so is the grader where it fails on what comes back.
    """
    start = time.perf_counter()
    stub = stub or open_stub(problem, path)
    if stub.trouble:
        return without_running(problem, stub, time.perf_counter() - start)
    worker = worker if worker and worker.process.poll() is None else start_worker(problem, limits)
    try:
        return _run(problem, stub, worker, seed, mistakes, keep, only, progress, prover, known, start)
    except (CourseError, OSError, ImportError):
        raise
    except Exception as error:
        raise CourseError(f"what came back from {shown_path(problem, stub.path)} could not be checked: the grader failed on it ({failed_with(error)})") from error
    finally:
        if not keep:
            worker.kill()


def start_worker(problem: Problem, limits: Limits = Limits()) -> Process:
    """A worker that imports what the problem needs and then waits for `grade`."""
    return Process(Child("grader.run.worker", *(["flax"] if problem.needs_flax else [])), limits)


def without_running(problem: Problem, stub: Stub, seconds: float = 0.0) -> Verdict:
    """The verdict on a file of which everything is known already."""
    return Verdict(problem.number, problem.name, problem.title, shown_path(problem, stub.path), stub.trouble.status,
                   tuple(EntryVerdict(name, stub.trouble.status) for name in problem.names), trouble=stub.trouble, seconds=seconds)


def _run(problem: Problem, stub: Stub, worker: Process, seed: int, want_mistakes: bool, keep: bool, only, progress, prover, known, start: float) -> Verdict:
    from grader.course.calls import calls_for
    from grader.judge.derive import disguised
    from grader.key.answers import Answers

    calls = calls_for(problem.entries, seed)
    asked = disguised(calls, calls_for(problem.entries, seed + 1)) if prover else calls
    asked = [call for call in asked if only is None or call.id in only]
    cache = store.folder(problem.folder.parents[1], "xla", "reference" if keep else "student")

    def begin(worker: Process, calls: list, singly: bool = False) -> Process:
        ask(worker, problem, stub, calls, cache=cache, last=not keep, carry=prover is not None, singly=singly)
        return worker

    def once_more(ids, left, singly):
        return begin(start_worker(problem, limits=left), [call for call in asked if call.id in ids], singly)

    begin(worker, asked)
    with contextlib.nullcontext(known) if known else Answers(problem, calls, seed) as answers:
        verdict = hear(worker, problem, stub, calls, answers, last=not keep, mistakes=want_mistakes, progress=progress, prover=prover,
                       once_more=None if keep or only is not None else once_more, whole=only is None)
    store.prune(cache)
    return replace(verdict, notes=(*verdict.notes, *answers.notes), seconds=time.perf_counter() - start)


def ask(worker: Process, problem: Problem, stub: Stub, calls: list, *, cache: Path | None, last: bool = True, writes: bool = True, carry: bool = False,
        singly: bool = False) -> None:
    """Sends the stub and the calls to a worker, which may begin. It reads compiled programs from `cache`, and keeps new ones there if it `writes`.

    `singly` it compiles no call together with another. With `carry` it sends the programs that proofs are about, and `hear` needs a prover to read them. The calls are then those that `facts.disguised` gives.
    """
    worker.watched_file = str(stub.path)
    order = dict(stub=str(stub.path), source=stub.source, names=problem.names, calls=len(calls), cache=str(cache or ""), writes=writes, memory=worker.limits.memory,
                 carry=carry, singly=singly, driver=problem.driver)
    worker.send([(order, None), *(call.to_wire() for call in calls)], last=last)


def hear(worker: Process, problem: Problem, stub: Stub, calls: list, answers, *, last: bool = True, mistakes: bool = True,
         progress: Callable[[str], None] = lambda text: None, prover: Callable[[], Process] | None = None, once_more: Callable[..., Process] | None = None,
         whole: bool = True) -> Verdict:
    """The verdict on what the worker answers, and on what another one does that `once_more` asks (see `attempt`). `answers` is where the key comes from;
    the `whole` of the calls was asked, unless some were left out on purpose."""
    from grader.judge.attempt import attempted
    from grader.judge.derive import derive, too_long
    from grader.judge.trouble import import_trouble, trouble_with

    start = time.perf_counter()
    attempt = attempted(worker, stub.source, calls, last=last, once_more=once_more, progress=progress)
    if prover and "found" in attempt.messages:
        attempt = derive(attempt, calls, str(stub.path), stub.source, prover)
    trouble = trouble_with(attempt)
    if trouble:
        entries = tuple(EntryVerdict(name, trouble.status) for name in problem.names)
    else:
        if not answers.key.answers:
            progress("computing the answer key (once)")
        answers.expected()
        entries = tuple(_entry_verdict(entry, problem, calls, attempt, answers, mistakes, progress) for entry in problem.entries)
        open = any(finding.status == Status.UNCHECKED and not finding.unproved for entry in entries for finding in entry.findings)
        if not any(entry.first for entry in entries) and (attempt.ended.how not in ("finished", "starved") or attempt.ended.how == "finished" and open and whole):
            trouble = import_trouble(None, attempt)
    statuses = {trouble.status} if trouble else {entry.status for entry in entries}
    status = Status.FAILED
    if len(statuses) == 1 or statuses == {Status.PASSED, Status.UNCHECKED}:
        status, = statuses - {Status.PASSED} or statuses
    return Verdict(problem.number, problem.name, problem.title, shown_path(problem, stub.path), status, entries, trouble, attempt.prints,
                   seconds=time.perf_counter() - start, stopped=attempt.stopped or too_long(attempt))


def _entry_verdict(entry, problem: Problem, calls, attempt, answers, want_mistakes: bool, progress) -> EntryVerdict:
    from grader.judge.findings import findings_of
    from grader.judge.parts import part_at_fault, told_part
    from grader.judge.trouble import not_callable

    mine = [call for call in calls if call.check.entry == entry.name]
    trouble = not_callable(attempt.messages["found"].get(entry.name, {}), entry.name, problem)
    if trouble:
        return EntryVerdict(entry.name, Status.FAILED, (trouble,))
    findings, broken = findings_of(entry, problem, mine, attempt, answers.key.answers)
    failed = [finding for finding in findings if finding.status == Status.FAILED]
    if any(finding.status == Status.NOT_WRITTEN for finding in findings):
        return EntryVerdict(entry.name, Status.NOT_WRITTEN, tuple(findings))
    if not failed:
        cut_short = any(finding.status == Status.UNCHECKED for finding in findings)
        return EntryVerdict(entry.name, Status.UNCHECKED if cut_short else Status.PASSED, tuple(findings))
    verdict = EntryVerdict(entry.name, Status.FAILED, tuple(findings))
    if want_mistakes and broken:
        verdict = _named(verdict, entry, mine, attempt, answers, broken, progress)
    if not (verdict.mistake or verdict.partly):
        verdict = replace(verdict, findings=tuple(told_part(findings, part_at_fault(entry, mine, attempt.outcomes, answers.key.answers))))
    return verdict


def _named(verdict: EntryVerdict, entry, calls, attempt, answers, broken, progress) -> EntryVerdict:
    """The verdict with the mistake that explains it, or the two, or the one that explains how it begins."""
    from grader.course.claims import settled
    from grader.judge.diagnose import diagnose
    from grader.judge.pairs import beginning_of, pair_in, seen_in

    if answers.key.mistakes is None:
        progress("reading the bank of mistakes (once)")
    bank = [replace(known, outcomes=settled(entry, calls, known.outcomes) if known.entry == entry.name else {}) for known in answers.mistakes()]
    outcomes = settled(entry, calls, attempt.outcomes)
    if known := diagnose(entry.name, outcomes, answers.key.answers, bank, broken):
        return replace(verdict, mistake=known.name, sentence=known.sentence)
    seen = seen_in(calls, outcomes, answers.key.answers)
    if not seen:
        return verdict
    if found := pair_in(seen, bank, answers.composed):
        one, other = found
        return replace(verdict, mistake=one.name, sentence=one.sentence, second=Named(other.name, other.sentence))
    return replace(verdict, partly=beginning_of(seen, calls, bank, broken))


def unjudged(problem: Problem, path: Path, error: Exception) -> Verdict:
    """A verdict that says that the grader failed on what came back: nothing is known of the file, and a person has to look."""
    return Verdict(problem.number, problem.name, problem.title, shown_path(problem, path), Status.UNCHECKED, tuple(EntryVerdict(name, Status.UNCHECKED) for name in problem.names),
                   Finding(Check("", UNJUDGED), Status.UNCHECKED, "it could not be checked: the grader failed on what came back from this file",
                           advice="That says nothing about your answer. A person has to look at it; whoever runs the course has been told."), notes=(failed_with(error),))


def failed_with(error: Exception) -> str:
    """An exception of the grader's own, for whoever mends it."""
    where = error.__traceback__
    while where and where.tb_next:
        where = where.tb_next
    place = f" in {Path(where.tb_frame.f_code.co_filename).name}, line {where.tb_lineno}" if where else ""
    return f"{type(error).__name__}{place}: {' '.join(str(error).split())[:200]}"


def course_fault(problem: Problem, error: CourseError) -> Verdict:
    """A verdict that says that nobody's stub is to blame."""
    return Verdict(problem.number, problem.name, problem.title, shown_path(problem, problem.stub), Status.COURSE,
                   trouble=Finding(Check("", "course"), Status.COURSE, str(error), advice="This is not your mistake: tell whoever runs the course."))
