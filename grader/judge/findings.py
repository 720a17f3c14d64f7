"""Judges an attempt: the answer key against what came back, one Finding for each check, in the order of causes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grader.course.calls import Call
from grader.course.cases import TRANSFORMS, Entry, Relation
from grader.course.claims import Proof, drawn_of
from grader.course.problem import Problem
from grader.course.statistics import Statistic
from grader.course.verdict import UNPROVED, Check, Difference, Finding, Outcome, Status, cut, leaf_paths
from grader.judge.attempt import Attempt
from grader.judge.explain import explain_ended, explain_mismatch
from grader.judge.raised import explain_failure
from grader.key.compare import compare
from grader.key.key import Answer
from grader.process.child import Ended


def trouble_with(attempt: Attempt) -> Finding | None:
    """What kept every check from running: the file could not be imported, or the run was not a worker's own."""
    if "import failed" in attempt.messages:
        return import_trouble(attempt.messages["import failed"], attempt)
    if "found" not in attempt.messages or attempt.ended.how == "forged":
        return import_trouble(None, attempt)
    return None


def import_trouble(outcome: Outcome | None, attempt: Attempt) -> Finding:
    if outcome is None:
        ended = attempt.ended if attempt.ended.how != "finished" else Ended("forged")       # it said so itself: calls have no outcome
        summary, advice = explain_ended(ended)
        when = "while the file was imported" if "found" not in attempt.messages else "while it was called" if ended.how == "forged" else "between two calls"
        return Finding(Check("", "import"), _status(ended), f"{when}, {summary}", lines=attempt.lines, advice=advice)
    summary, advice = explain_failure(outcome.failure, "import")
    return Finding(Check("", "import"), Status.FAILED, f"the file cannot be imported: {summary}", lines=outcome.failure.lines, advice=advice)


def not_callable(found: dict, name: str, problem: Problem) -> Finding | None:
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
    ordered = [p for p in expected if p not in problem.keyword_only.get(name, ())]
    fits = ((positional[:len(ordered)] == ordered or "VAR_POSITIONAL" in kinds) and ({*expected} <= by_name or "VAR_KEYWORD" in kinds)
            and {*needed} <= {*expected})
    if fits:
        return None
    taken = ", ".join({"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(kind, "") + p for p, kind, _ in parameters)
    return Finding(check, Status.FAILED, f"`{name}` takes ({taken}); expected ({', '.join(expected)})",
                   advice="Arguments keep their names and their order: a case may pass them either way.")


def findings_of(entry: Entry, problem: Problem, calls: list[Call], attempt: Attempt, answers: Mapping[int, Answer]) -> tuple[list[Finding], dict[int, bool]]:
    """A Finding for each check in the order of causes, and the ids of the calls that differ from the key."""
    relations, proofs = entry.properties, entry.claims
    findings: list[Finding] = []
    broken: dict[int, bool] = {}
    for call in calls:
        if call.check.kind == "proof":
            group = [c for c in calls if c.check == call.check]
            if call is group[0]:
                finding = _proof_finding(proofs[call.check.case], group, attempt, any(f.status == Status.FAILED for f in findings))
                findings.append(finding)
                if finding.status == Status.FAILED:
                    broken |= {c.id: True for c in group}
            continue
        if call.check.kind == "draws":
            finding = _statistic_finding(entry.frequencies[call.check.case], call, attempt, any(f.status == Status.FAILED for f in findings))
            findings.append(finding)
            broken |= {call.id: True} if finding.status == Status.FAILED else {}
            continue
        if call.check.case in relations:
            if call.variant == "":
                group = [c for c in calls if c.check == call.check]
                finding = _relation_finding(relations[call.check.case], group, attempt, answers[call.id], problem.returns.get(entry.name, ""),
                                            any(f.status == Status.FAILED for f in findings))
                findings.append(finding)
                if finding.status == Status.FAILED:
                    broken |= {c.id: True for c in group}
            continue
        outcome = attempt.outcomes.get(call.id)
        inputs = call.described()
        if outcome is None:
            findings.append(_no_outcome(call.check, {call.id}, attempt, inputs))
            continue
        if outcome.failure and outcome.failure.type == "NotImplementedError" and outcome.failure.lines and "NotImplemented" in outcome.failure.lines[-1][2]:
            findings.append(Finding(call.check, Status.NOT_WRITTEN, f"line {outcome.failure.lines[-1][0]} raises NotImplementedError: not written yet",
                                    inputs=inputs, lines=outcome.failure.lines))
            continue
        if _is_unproved(outcome):
            findings.append(Finding(call.check, Status.UNCHECKED, _unproved(outcome), inputs=inputs))
            continue
        answer = answers[call.id]
        mismatch = compare(answer.outcome, outcome, answer.allowed)
        if mismatch and call.check.kind == "traces" and any(finding.status == Status.FAILED for finding in findings):
            mismatch = compare(_without_output(answer.outcome), _without_output(outcome), {})       # how often, whatever the values are
        if mismatch is None and call.check.kind == "again" and call.keys and not _same_draw(outcome):
            broken[call.id] = True
            findings.append(Finding(call.check, Status.FAILED, "the same key gives another result the second time", inputs=inputs,
                                    advice="What is drawn follows from the key alone: draw with `jax.random` and that key, and with nothing else."))
            continue
        if mismatch is None:
            findings.append(Finding(call.check, Status.PASSED, inputs=inputs))
            continue
        broken[call.id] = True
        if mismatch.way == "failure" and not mismatch.expected and mismatch.came.type == "ParameterMismatch" and findings and findings[0].status == Status.FAILED:
            findings.append(Finding(call.check, Status.UNCHECKED, "the parameters have to be mended first", inputs=inputs))
            continue
        if call.check.kind == "again" and any(finding.status == Status.FAILED for finding in findings):
            findings.append(Finding(call.check, Status.UNCHECKED, "what a single call gives has to be right first", inputs=inputs))
            continue
        if call.check.kind in ("traces", "state", "leaks") and outcome.failure and any(finding.status == Status.FAILED for finding in findings):
            findings.append(Finding(call.check, Status.UNCHECKED, "the call itself fails", inputs=inputs))
            continue
        summary, detail, advice = explain_mismatch(mismatch, call, problem.returns.get(entry.name, ""))
        lines = outcome.failure.lines if outcome.failure else ()
        difference = mismatch.difference if call.check.kind in TRANSFORMS else None
        findings.append(Finding(call.check, Status.FAILED, summary, detail, inputs, difference, lines, advice))
    return findings, broken


def _without_output(outcome: Outcome) -> Outcome:
    """What a dict of an outcome says beside the output."""
    if outcome.failure or not isinstance(outcome.structure, (list, tuple)) or outcome.structure[0] != "dict":
        return outcome
    parts = [[name, part] for name, part in outcome.structure[1] if name != "output"]
    return Outcome(["dict", parts], {name: outcome.leaves[name] for name in leaf_paths(["dict", parts])})


def _no_outcome(check: Check, ids: set[int], attempt: Attempt, inputs: str) -> Finding:
    """The run ended before these calls came back: those at which it was stopped are at fault, the others could not be checked."""
    stop = next((attempt.stops[id] for id in sorted(ids) if id in attempt.stops and id not in attempt.outcomes), None)
    if stop:
        summary, advice = explain_ended(stop.ended)
        return Finding(check, _status(stop.ended), summary, inputs=inputs, lines=stop.lines, advice=advice)
    return Finding(check, Status.UNCHECKED, "the run was cut short before this", inputs=inputs)


def _status(ended: Ended) -> Status:
    """A machine that was too busy is nobody's fault."""
    return Status.UNCHECKED if ended.how == "starved" else Status.FAILED


def _proof_finding(proof: Proof, group: list[Call], attempt: Attempt, failed_before: bool) -> Finding:
    """Judges a claim about the program from the facts that were measured."""
    check, inputs = group[0].check, group[-1].described()
    outcomes = [attempt.outcomes.get(call.id) for call in group]
    if any(outcome is None for outcome in outcomes):
        return _no_outcome(check, {call.id for call in group}, attempt, inputs)
    failure = next((outcome.failure for outcome in outcomes if outcome.failure), None)
    if failure:
        if failed_before:
            return Finding(check, Status.UNCHECKED, "the call itself fails", inputs=inputs)
        summary, advice = explain_failure(failure, check.kind)
        return Finding(check, Status.FAILED, f"{proof.rule} It could not be seen: {summary}", inputs=inputs, lines=failure.lines, advice=advice)
    unproved = next(filter(_is_unproved, outcomes), None)
    if unproved:
        return Finding(check, Status.UNCHECKED, _unproved(unproved), inputs=inputs)
    found = proof.broken([outcome.structure[1] for outcome in outcomes])
    if found is None:
        return Finding(check, Status.PASSED, proof.reported([outcome.structure[1] for outcome in outcomes]), inputs=inputs)
    return Finding(check, Status.FAILED, found.sentence, inputs=inputs, lines=_line(found.line), advice=found.advice)


def _statistic_finding(statistic: Statistic, call: Call, attempt: Attempt, failed_before: bool) -> Finding:
    """Judges a claim about what is drawn from what many keys gave."""
    outcome, inputs = attempt.outcomes.get(call.id), f"{call.described()}, {statistic.draws} keys"
    if outcome is None:
        return _no_outcome(call.check, {call.id}, attempt, inputs)
    if outcome.failure and failed_before:
        return Finding(call.check, Status.UNCHECKED, "the call itself fails", inputs=inputs)
    if outcome.failure:
        summary, advice = explain_failure(outcome.failure, "vmap")
        return Finding(call.check, Status.FAILED, f"{statistic.rule} It could not be seen: {summary}", inputs=inputs, lines=outcome.failure.lines, advice=advice)
    found = statistic.broken(call.known, drawn_of(outcome))
    if found is None:
        return Finding(call.check, Status.PASSED, f"over {statistic.draws} keys", inputs=inputs)
    if found.sign == "shape" and failed_before:
        return Finding(call.check, Status.UNCHECKED, "what a single call gives has to be right first", inputs=inputs)
    return Finding(call.check, Status.FAILED, found.sentence, inputs=inputs, advice=found.advice)


def _same_draw(outcome: Outcome) -> bool:
    """Whether a call that was made twice with one key gave the same twice, to the last bit."""
    again = {leaf: array for leaf, array in outcome.leaves.items() if leaf.startswith("again")}
    return all(array.tobytes() == outcome.leaves[f"before{leaf.removeprefix('again')}"].tobytes() for leaf, array in again.items())


def _is_unproved(outcome: Outcome) -> bool:
    """Whether the facts say that there are none."""
    return isinstance(outcome.structure, list) and outcome.structure[0] == "facts" and "unproved" in outcome.structure[1]


def _unproved(outcome: Outcome) -> str:
    return UNPROVED + str(outcome.structure[1]["unproved"])


def _line(told) -> tuple[tuple[int, str, str], ...]:
    """A line as a worker tells it, if it is one."""
    return ((told[0], cut(told[1]), cut(told[2])),) if isinstance(told, (list, tuple)) and [type(part) for part in told] == [int, str, str] else ()


def _output(outcome: Outcome) -> np.ndarray | None:
    return next((outcome.leaves[leaf] for leaf in ("", "output") if leaf in outcome.leaves), None)


def _relation_finding(relation: Relation, group: list[Call], attempt: Attempt, answer: Answer, returns: str, failed_before: bool) -> Finding:
    """Judges a property on raw arrays: the unchanged call against the key, and against each changed one, since whatever never changes has the property.
    Shapes and dtypes come first: two that fit by broadcasting can make an array that fills a machine."""
    check, inputs = group[0].check, group[0].described()
    outcomes = [attempt.outcomes.get(call.id) for call in group]
    if any(outcome is None for outcome in outcomes):
        return _no_outcome(check, {call.id for call in group}, attempt, inputs)
    unproved = next(filter(_is_unproved, outcomes), None)
    if unproved:
        return Finding(check, Status.UNCHECKED, _unproved(unproved), inputs=inputs)
    base, failed = outcomes[0], next((outcome.failure for outcome in outcomes if outcome.failure), None)
    if failed and base.failure and failed_before:
        return Finding(check, Status.UNCHECKED, "the call itself fails", inputs=inputs)
    if failed:
        summary, advice = explain_failure(failed, check.kind)
        summary = summary if base.failure else f"when something else is changed, {summary}"
        return Finding(check, Status.FAILED, summary, inputs=inputs, lines=failed.lines, advice=advice)
    outputs = [*map(_output, outcomes)]
    missed = Status.UNCHECKED if failed_before else Status.FAILED           # what other checks have told need not be told again
    if any(output is None for output in outputs):
        return Finding(check, missed, "the calls of this property gave no array", inputs=inputs)
    other_shape = Finding(check, missed, "the outputs of this property do not have the expected shape", inputs=inputs)
    like = _output(answer.outcome)
    if like is not None and (outputs[0].shape, outputs[0].dtype) != (like.shape, like.dtype):
        return _unchanged_finding(group[0], base, answer, returns, failed_before)
    if any((output.shape, output.dtype) != (outputs[0].shape, outputs[0].dtype) for output in outputs):
        return other_shape
    rows = []
    try:
        for call, output in zip(group[1:], outputs[1:]):
            rows.append(np.atleast_1d(relation.broken(group[0].arrays, outputs[0], call.variant, call.arrays, output)))
        wrong = np.stack(rows)
    except (ValueError, IndexError, TypeError, MemoryError):    # an output of another shape
        return other_shape
    if not wrong.any():
        return _unchanged_finding(group[0], base, answer, returns, failed_before)
    label = group[1 + int(np.argmax(wrong.reshape(len(wrong), -1).any(1)))].variant
    difference = Difference("property", np.zeros_like(wrong), wrong, wrong, 0.0, 0.0)
    return Finding(check, Status.FAILED, f"{relation.rule} Broken by: {label}", inputs=inputs, difference=difference)


def _unchanged_finding(call: Call, came: Outcome, answer: Answer, returns: str, failed_before: bool) -> Finding:
    """A property that holds is one of the right answer only."""
    inputs, mismatch = call.described(), compare(answer.outcome, came, answer.allowed)
    if mismatch is None:
        return Finding(call.check, Status.PASSED, inputs=inputs)
    if failed_before:
        return Finding(call.check, Status.UNCHECKED, "what the unchanged call gives has to be right first", inputs=inputs)
    summary, detail, advice = explain_mismatch(mismatch, call, returns)
    return Finding(call.check, Status.FAILED, f"before anything is changed, {summary}", detail, inputs, mismatch.difference, advice=advice)
