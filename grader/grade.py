"""Conducts: stub -> calls -> worker and key -> comparison -> diagnosis -> Verdict. The only file that imports every stage."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from pathlib import Path

from grader import state
from grader.problem import TRANSFORMS, CourseError, Problem, Relation
from grader.sandbox import Ended, Limits, Process
from grader.stub import Stub, open_stub, shown_path
from grader.verdict import Check, EntryVerdict, Finding, Outcome, Status, Verdict

# The stages below need NumPy. They are imported once the worker is under way, which imports JAX meanwhile.


def grade(problem: Problem, path: Path | None = None, *, worker: Process | None = None, limits: Limits = Limits(), seed: int = 0,
          mistakes: bool = True, keep: bool = False, progress: Callable[[str], None] = lambda text: None) -> Verdict:
    """The verdict on one file. `worker` is a warm one to use, if it is alive; `progress` is told what takes long.

    With `keep` the worker can be used again, which is for the course's own code only: student code must not meet another's.

    Raises CourseError when the course, not the file, is at fault.
    """
    start = time.perf_counter()
    stub = open_stub(problem, path)
    if stub.trouble:
        return _without_running(problem, stub, time.perf_counter() - start)
    worker = worker if worker and worker.process.poll() is None else start_worker(problem, limits)
    try:
        return _run(problem, stub, worker, seed, mistakes, keep, progress, start)
    finally:
        if not keep:
            worker.kill()


def start_worker(problem: Problem, limits: Limits = Limits()) -> Process:
    """A worker that imports what the problem needs and then waits for `grade`."""
    return Process("grader.worker", *(["flax"] if problem.needs_flax else []), limits=limits)


def _without_running(problem: Problem, stub: Stub, seconds: float) -> Verdict:
    return Verdict(problem.number, problem.name, problem.title, shown_path(problem, stub.path), stub.trouble.status,
                   tuple(EntryVerdict(name, stub.trouble.status) for name in problem.names), trouble=stub.trouble, seconds=seconds)


def _run(problem: Problem, stub: Stub, worker: Process, seed: int, want_mistakes: bool, keep: bool, progress, start: float) -> Verdict:
    from grader.answers import Answers
    from grader.call import calls_for

    calls = calls_for(problem.entries, seed)
    worker.watched_file = str(stub.path)
    cache = state.folder(problem.folder.parents[1], "xla", "student")
    order = dict(stub=str(stub.path), source=stub.source, names=problem.names, calls=len(calls), cache=str(cache or ""), memory=worker.limits.memory)
    worker.send([(order, None), *(call.to_wire() for call in calls)], last=not keep)
    with Answers(problem, calls, seed) as answers:
        attempt = _listen(worker, stub.source, calls, last=not keep)
        if "import failed" in attempt.messages:
            trouble = _import_trouble(attempt.messages["import failed"], attempt)
        elif "found" not in attempt.messages or attempt.ended.how == "forged":
            trouble = _import_trouble(None, attempt)
        else:
            trouble = None
        prints = _prints(worker.prints, calls)
        if trouble:
            entries = tuple(EntryVerdict(name, Status.FAILED) for name in problem.names)
        else:
            if not answers.key.answers:
                progress("computing the answer key (once)")
            answers.expected()
            entries = tuple(_judge(entry, problem, calls, attempt, answers, want_mistakes, progress) for entry in problem.entries)
            if not any(entry.first for entry in entries) and (attempt.ended.how != "finished" or any(entry.status == Status.UNCHECKED for entry in entries)):
                trouble = _import_trouble(None, attempt)
    state.prune(cache)
    statuses = {Status.FAILED} if trouble else {entry.status for entry in entries}
    status = (Status.PASSED if statuses == {Status.PASSED} else Status.NOT_WRITTEN if statuses == {Status.NOT_WRITTEN} else Status.FAILED)
    return Verdict(problem.number, problem.name, problem.title, shown_path(problem, stub.path), status, entries, trouble, prints,
                   tuple(answers.notes), time.perf_counter() - start)


@dataclasses.dataclass
class _Attempt:
    """What a worker sent before it ended."""

    outcomes: dict[int, Outcome]
    messages: dict
    stage: tuple[str, int] | None
    ended: Ended
    lines: tuple[tuple[int, str, str], ...] = ()    # where it was stuck, or crashed


def _source_line(number: int | None, source: str) -> tuple[tuple[int, str, str], ...]:
    lines = source.splitlines()
    return ((number, "", lines[number - 1].strip()),) if number and number <= len(lines) else ()


def _listen(worker: Process, source: str, calls, last: bool) -> _Attempt:
    """Student code can write into the channel too: what no worker would send ends the run, and more of it than a worker would."""
    outcomes, messages, stage, left = {}, {}, None, 4 * len(calls) + 100
    frames = worker.frames(last)
    while True:
        try:
            message, arrays = next(frames)
        except StopIteration as stop:
            return _Attempt(outcomes, messages, stage, stop.value, _source_line(stop.value.line, source))
        left -= 1
        try:
            if "started" in message:
                stage = (str(message["started"][0]), int(message["started"][1]))
            elif "outcome" in message and message["outcome"] not in outcomes:
                outcomes[int(message["outcome"])] = Outcome.from_wire(message, arrays)
            elif "found" in message and not messages:
                messages["found"] = {str(name): _found(found) for name, found in message["found"].items()}
            elif "import failed" in message and not messages:
                messages["import failed"] = Outcome(failure=Outcome.from_wire({"failure": message["import failed"]["failure"]}, {}).failure)
            elif message != {"done": True}:
                left = 0
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError):
            left = 0
        if left <= 0:
            worker.kill()
            return _Attempt(outcomes, messages, stage, Ended("forged"))


def _found(found: dict) -> dict:
    """What a worker says stands under a name, in the types that it has to have."""
    if "missing" in found:
        return {"missing": [str(name) for name in found["missing"]]}
    if "not callable" in found:
        return {"not callable": str(found["not callable"])}
    parameters = {"parameters": [(str(name), str(kind), bool(default)) for name, kind, default in found["parameters"]]} if "parameters" in found else {}
    return {"callable": bool(found["callable"]), **parameters}


def _import_trouble(outcome: Outcome | None, attempt: _Attempt) -> Finding:
    from grader.explain import explain_ended, explain_failure

    if outcome is None:
        ended = attempt.ended if attempt.ended.how != "finished" else Ended("forged")       # it said so itself: calls have no outcome
        summary, advice = explain_ended(ended)
        when = "while the file was imported" if "found" not in attempt.messages else "while it was called" if ended.how == "forged" else "between two calls"
        return Finding(Check("", "import"), Status.FAILED, f"{when}, {summary}", lines=attempt.lines, advice=advice)
    summary, advice = explain_failure(outcome.failure, "import")
    return Finding(Check("", "import"), Status.FAILED, f"the file cannot be imported: {summary}", lines=outcome.failure.lines, advice=advice)


def _judge(entry, problem: Problem, calls, attempt: _Attempt, answers, want_mistakes: bool, progress) -> EntryVerdict:
    from grader.diagnose import diagnose

    mine = [call for call in calls if call.check.entry == entry.name]
    trouble = _not_callable(attempt.messages["found"].get(entry.name, {}), entry.name, problem)
    if trouble:
        return EntryVerdict(entry.name, Status.FAILED, (trouble,))
    findings, broken = _findings(entry, problem, mine, attempt, answers.key.answers)
    failed = [finding for finding in findings if finding.status == Status.FAILED]
    if any(finding.status == Status.NOT_WRITTEN for finding in findings):
        return EntryVerdict(entry.name, Status.NOT_WRITTEN, tuple(findings))
    if not failed:
        cut_short = any(finding.status == Status.UNCHECKED for finding in findings)
        return EntryVerdict(entry.name, Status.UNCHECKED if cut_short else Status.PASSED, tuple(findings))
    known = None
    if want_mistakes and broken:
        if answers.key.mistakes is None:
            progress("reading the bank of mistakes (once)")
        known = diagnose(entry.name, attempt.outcomes, answers.key.answers, answers.mistakes(), broken)
    return EntryVerdict(entry.name, Status.FAILED, tuple(findings), known.name if known else "", known.sentence if known else "")


def _not_callable(found: dict, name: str, problem: Problem) -> Finding | None:
    """What is wrong with a name before it is called."""
    check = Check(name, "name")
    if "missing" in found:
        others = ", ".join(found["missing"][:6]) or "nothing"
        return Finding(check, Status.FAILED, f"the file defines no `{name}`", f"it defines: {others}", advice=f"The contract's name is `{name}`, spelled exactly so.")
    if "not callable" in found:
        return Finding(check, Status.FAILED, f"`{name}` is of type {found['not callable']} and cannot be called", advice=f"Is `{name}` assigned again further down?")
    expected = problem.signatures[name]
    parameters = found.get("parameters")
    if parameters is None:
        return None
    if found["callable"] and "rngs" in expected:
        expected = [argument for argument in expected if argument != "rngs"]
        parameters = [p for p in parameters if p[0] != "rngs"]
    positional = [p for p, kind, _ in parameters if kind in ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")]
    by_name = {p for p, kind, _ in parameters if kind in ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")}
    kinds = {kind for _, kind, _ in parameters}
    needed = [p for p, kind, default in parameters if not default and kind not in ("VAR_POSITIONAL", "VAR_KEYWORD")]
    fits = ((positional[:len(expected)] == expected or "VAR_POSITIONAL" in kinds) and ({*expected} <= by_name or "VAR_KEYWORD" in kinds)
            and {*needed} <= {*expected})
    if fits:
        return None
    taken = ", ".join({"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(kind, "") + p for p, kind, _ in parameters)
    return Finding(check, Status.FAILED, f"`{name}` takes ({taken}); expected ({', '.join(expected)})",
                   advice="Arguments keep their names and their order: a case may pass them either way.")


def _findings(entry, problem: Problem, calls, attempt: _Attempt, answers) -> tuple[list[Finding], dict[int, bool]]:
    """A Finding for each check in the order of causes, and the ids of the calls that differ from the key."""
    from grader.compare import compare
    from grader.explain import explain_mismatch

    relations: dict[str, Relation] = {relation.name: relation for relation in entry.relations}
    findings: list[Finding] = []
    broken: dict[int, bool] = {}
    for call in calls:
        if call.check.case in relations:
            if call.variant == "":
                group = [c for c in calls if c.check == call.check]
                finding = _relation_finding(relations[call.check.case], group, attempt)
                findings.append(finding)
                if finding.status == Status.FAILED:
                    broken |= {c.id: True for c in group}
            continue
        outcome = attempt.outcomes.get(call.id)
        inputs = call.described()
        if outcome is None:
            findings.append(_no_outcome(call.check, {call.id}, attempt, inputs))
            continue
        if outcome.failure and outcome.failure.type == "NotImplementedError" and outcome.failure.lines:
            findings.append(Finding(call.check, Status.NOT_WRITTEN, f"line {outcome.failure.lines[-1][0]} raises NotImplementedError: not written yet",
                                    inputs=inputs, lines=outcome.failure.lines))
            continue
        answer = answers[call.id]
        mismatch = compare(answer.outcome, outcome, answer.allowed)
        if mismatch is None:
            findings.append(Finding(call.check, Status.PASSED, inputs=inputs))
            continue
        broken[call.id] = True
        if mismatch.way == "failure" and not mismatch.expected and mismatch.came.type == "ParameterMismatch" and findings[0].status == Status.FAILED:
            findings.append(Finding(call.check, Status.UNCHECKED, "the parameters have to be mended first", inputs=inputs))
            continue
        summary, detail, advice = explain_mismatch(mismatch, call, problem.returns.get(entry.name, ""))
        lines = outcome.failure.lines if outcome.failure else ()
        difference = mismatch.difference if call.check.kind in TRANSFORMS else None
        findings.append(Finding(call.check, Status.FAILED, summary, detail, inputs, difference, lines, advice))
    return findings, broken


def _no_outcome(check: Check, ids: set[int], attempt: _Attempt, inputs: str) -> Finding:
    """The run ended before these calls came back: those under way then are at fault, the others could not be checked."""
    from grader.explain import explain_ended

    if attempt.ended.how != "finished" and attempt.stage and attempt.stage[1] in ids:
        summary, advice = explain_ended(attempt.ended)
        return Finding(check, Status.FAILED, summary, inputs=inputs, lines=attempt.lines, advice=advice)
    return Finding(check, Status.UNCHECKED, "the run was cut short before this", inputs=inputs)


def _relation_finding(relation: Relation, group, attempt: _Attempt) -> Finding:
    """Judges a property on raw arrays: the unchanged call against each changed one."""
    import numpy as np

    from grader.verdict import Difference

    check, inputs = group[0].check, group[0].described()
    outcomes = [attempt.outcomes.get(call.id) for call in group]
    base = outcomes[0]
    if any(outcome is None for outcome in outcomes):
        return _no_outcome(check, {call.id for call in group}, attempt, inputs)
    if any(outcome.failure or outcome.structure != "array" for outcome in outcomes):
        return Finding(check, Status.UNCHECKED, "the calls of this property gave no arrays", inputs=inputs)
    rows = []
    try:
        for call, outcome in zip(group[1:], outcomes[1:]):
            rows.append(np.atleast_1d(relation.broken(group[0].arrays, base.leaves[""], call.variant, call.arrays, outcome.leaves[""])))
    except (ValueError, IndexError, TypeError):         # an output of another shape, which the other checks tell
        return Finding(check, Status.UNCHECKED, "the outputs of this property do not have the expected shape", inputs=inputs)
    wrong = np.stack(rows)
    if not wrong.any():
        return Finding(check, Status.PASSED, inputs=inputs)
    label = group[1 + int(np.argmax(wrong.reshape(len(wrong), -1).any(1)))].variant
    difference = Difference("property", np.zeros_like(wrong), wrong, wrong, 0.0, 0.0)
    return Finding(check, Status.FAILED, f"{relation.rule} Broken by: {label}", inputs=inputs, difference=difference)


def _prints(text: str, calls) -> tuple[tuple[str, str], ...]:
    """What was printed, by the call in which it was printed; equal texts once."""
    from grader.wire import plain

    text = re.split(r"Fatal Python error: |(?:Current thread|Thread) 0x", text)[0]      # the stack that a stuck worker printed
    parts = re.split("\x1e(-?\\d{1,9})\x1e", text)
    names = {call.id: f"{call.check.kind} · {call.check.case}" for call in calls} | {-1: "import", -2: "end"}
    found, seen = [], set()
    for id, body in zip(["-1", *parts[1::2]], parts[::2]):
        body = plain(body).strip("\n")
        if body.strip() and body not in seen:
            seen.add(body)
            found.append((names.get(int(id), "import"), body))
    return tuple(found)


def course_fault(problem: Problem, error: CourseError) -> Verdict:
    """A verdict that says that nobody's stub is to blame."""
    return Verdict(problem.number, problem.name, problem.title, shown_path(problem, problem.stub), Status.COURSE,
                   trouble=Finding(Check("", "course"), Status.COURSE, str(error), advice="This is not your mistake: tell whoever runs the course."))
