"""Judges an attempt: the answer key against what came back, one Finding for each check, in the order of causes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from grader.course.calls import Call
from grader.course.cases import CLAIM_KINDS, TRANSFORMS, Entry, Relation
from grader.course.claims import Proof
from grader.course.problem import Problem
from grader.course.settle import drawn_of
from grader.course.statistics import Statistic
from grader.course.verdict import UNPROVED, Check, Difference, Finding, Outcome, Status, cut
from grader.judge.attempt import Attempt
from grader.judge.explain import explain_ended, explain_mismatch
from grader.judge.kinds import Kind, kind_of
from grader.judge.raised import explain_failure
from grader.judge.trouble import status_of
from grader.judge.variables import of_the_contract
from grader.key.compare import Mismatch, compare
from grader.key.key import Answer

COMPILED = (
    "The plain call gives numbers here. Look for a product or a difference with inf, as in `mask * -jnp.inf`, which a "
    "compiler works out in its own way: `jnp.where` chooses, and computes nothing."
)


@dataclass
class Judging:
    """One name of an attempt while it is judged: what is known of it, and what was found so far."""

    entry: Entry
    problem: Problem
    attempt: Attempt
    answers: Mapping[int, Answer]
    findings: list[Finding] = field(default_factory=list)
    broken: dict[int, bool] = field(default_factory=dict)

    @property
    def failed_before(self) -> bool:
        return any(finding.status == Status.FAILED for finding in self.findings)

    @property
    def variables_told(self) -> bool:
        """Whether it has been told that the module holds others than those of the contract."""
        first = next(iter(self.findings), None)
        return first is not None and first.check.kind == "parameters" and first.status == Status.FAILED

    @property
    def returns(self) -> str:
        return self.problem.returns.get(self.entry.name, "")

    def judge(self, group: list[Call]) -> None:
        """Adds the finding of one check. Of one that fails, or fails for what another one has told, its calls differ
        from the key."""
        finding, differs = self._finding(group)
        self.findings.append(finding)
        if differs:
            self.broken |= {call.id: True for call in group}

    def _finding(self, group: list[Call]) -> tuple[Finding, bool]:
        call = group[0]
        if call.check.kind == "proof":
            finding = _proof_finding(self.entry.claims[call.check.case], group, self.attempt, self.failed_before)
        elif call.check.kind == "draws":
            finding = _statistic_finding(
                self.entry.frequencies[call.check.case], call, self.attempt, self.failed_before
            )
        elif call.check.case in self.entry.properties:
            finding = _relation_finding(
                self.entry.properties[call.check.case],
                group,
                self.attempt,
                self.answers[call.id],
                self.returns,
                self.failed_before,
            )
        else:
            return self._value(call)
        return finding, finding.status == Status.FAILED

    def _value(self, call: Call) -> tuple[Finding, bool]:
        """What a call gave, against the key."""
        inputs, outcome, kind = call.described(), self.attempt.outcomes.get(call.id), kind_of(call.check.kind)
        if outcome is None:
            return _no_outcome(call.check, {call.id}, self.attempt, inputs), False
        if not_written := _not_written(outcome):
            return Finding(
                call.check, Status.NOT_WRITTEN, not_written, inputs=inputs, lines=outcome.failure.lines
            ), False
        if _is_unproved(outcome):
            return Finding(call.check, Status.UNCHECKED, _unproved(outcome), inputs=inputs), False
        answer = self.answers[call.id]
        mismatch = compare(answer.outcome, outcome, answer.allowed)
        if mismatch and mismatch.way == "structure" and self.variables_told:
            outcome = of_the_contract(answer.outcome, outcome)
            mismatch = compare(answer.outcome, outcome, answer.allowed)
        if mismatch and self.failed_before:
            mismatch = compare(kind.asks(answer.outcome), kind.asks(outcome), answer.allowed)
        if mismatch is None and call.check.kind == "again" and call.keys and not _same_draw(outcome):
            return Finding(
                call.check,
                Status.FAILED,
                "the same key gives another result the second time",
                inputs=inputs,
                advice="What is drawn follows from the key alone: draw with `jax.random` and that key, and with "
                "nothing else.",
            ), True
        if mismatch is None:
            return Finding(call.check, Status.PASSED, inputs=inputs), False
        if first := self._first_to_mend(mismatch, outcome, kind):
            return Finding(call.check, Status.UNCHECKED, first, inputs=inputs), True
        summary, detail, advice = explain_mismatch(mismatch, call, self.returns)
        if mismatch.way == "nan" and not advice and self._right_uncompiled(call):
            advice = COMPILED
        difference = mismatch.difference if call.check.kind in TRANSFORMS else None
        return Finding(
            call.check,
            Status.FAILED,
            summary,
            detail,
            inputs,
            difference,
            outcome.failure.lines if outcome.failure else (),
            advice,
        ), True

    def _right_uncompiled(self, call: Call) -> bool:
        """Whether the same case is right as a plain call, and this one is not that."""
        plain = Check(call.check.entry, "eager", call.check.case)
        return call.check.kind in ("jit", "vmap") and any(
            finding.check == plain and finding.status == Status.PASSED for finding in self.findings
        )

    def _first_to_mend(self, mismatch: Mismatch, outcome: Outcome, kind: Kind) -> str:
        """What has to be mended before this check says anything, if something has."""
        lacks = mismatch.way == "failure" and not mismatch.expected and mismatch.came.type == "ParameterMismatch"
        if lacks and self.variables_told:
            return "the parameters have to be mended first"
        return kind.needs if self.failed_before and kind.needs and kind.needs_it(outcome) else ""


def findings_of(
    entry: Entry, problem: Problem, calls: list[Call], attempt: Attempt, answers: Mapping[int, Answer]
) -> tuple[list[Finding], dict[int, bool]]:
    """A Finding for each check in the order of causes, and the ids of the calls that differ from the key."""
    judging = Judging(entry, problem, attempt, answers)
    groups: dict[object, list[Call]] = {}
    for call in calls:
        together = call.check.kind in CLAIM_KINDS or call.check.case in entry.properties
        groups.setdefault(call.check if together else call.id, []).append(call)
    for group in groups.values():
        judging.judge(group)
    return judging.findings, judging.broken


def _not_written(outcome: Outcome) -> str:
    """What is said of a stub that says itself that it is not written."""
    failure = outcome.failure
    if failure and failure.type == "NotImplementedError" and failure.lines and "NotImplemented" in failure.lines[-1][2]:
        return f"line {failure.lines[-1][0]} raises NotImplementedError: not written yet"
    return ""


def _no_outcome(check: Check, ids: set[int], attempt: Attempt, inputs: str) -> Finding:
    """The run ended before these calls came back: those at which it was stopped are at fault, the others could not be
    checked."""
    stop = next((attempt.stops[id] for id in sorted(ids) if id in attempt.stops and id not in attempt.outcomes), None)
    if stop:
        summary, advice = explain_ended(stop.ended)
        return Finding(check, status_of(stop.ended), summary, inputs=inputs, lines=stop.lines, advice=advice)
    return Finding(check, Status.UNCHECKED, "the run was cut short before this", inputs=inputs)


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
        return Finding(
            check,
            Status.FAILED,
            f"{proof.rule} It could not be seen: {summary}",
            inputs=inputs,
            lines=failure.lines,
            advice=advice,
        )
    unproved = next(filter(_is_unproved, outcomes), None)
    if unproved:
        return Finding(check, Status.UNCHECKED, _unproved(unproved), inputs=inputs)
    found = proof.broken([outcome.structure[1] for outcome in outcomes])
    if found is None:
        return Finding(
            check, Status.PASSED, proof.reported([outcome.structure[1] for outcome in outcomes]), inputs=inputs
        )
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
        return Finding(
            call.check,
            Status.FAILED,
            f"{statistic.rule} It could not be seen: {summary}",
            inputs=inputs,
            lines=outcome.failure.lines,
            advice=advice,
        )
    found = statistic.broken(call.known, drawn_of(outcome))
    if found is None:
        return Finding(call.check, Status.PASSED, f"over {statistic.draws} keys", inputs=inputs)
    if found.sign == "shape" and failed_before:
        return Finding(call.check, Status.UNCHECKED, "what a single call gives has to be right first", inputs=inputs)
    return Finding(call.check, Status.FAILED, found.sentence, inputs=inputs, advice=found.advice)


def _same_draw(outcome: Outcome) -> bool:
    """Whether a call that was made twice with one key gave the same twice, to the last bit."""
    again = {leaf: array for leaf, array in outcome.leaves.items() if leaf.startswith("again")}
    return all(
        array.tobytes() == outcome.leaves[f"before{leaf.removeprefix('again')}"].tobytes()
        for leaf, array in again.items()
    )


def _is_unproved(outcome: Outcome) -> bool:
    """Whether the facts say that there are none."""
    return (
        isinstance(outcome.structure, list) and outcome.structure[0] == "facts" and "unproved" in outcome.structure[1]
    )


def _unproved(outcome: Outcome) -> str:
    return UNPROVED + str(outcome.structure[1]["unproved"])


def _line(told) -> tuple[tuple[int, str, str], ...]:
    """A line as a worker tells it, if it is one."""
    return (
        ((told[0], cut(told[1]), cut(told[2])),)
        if isinstance(told, (list, tuple)) and [type(part) for part in told] == [int, str, str]
        else ()
    )


def _output(outcome: Outcome) -> np.ndarray | None:
    return next((outcome.leaves[leaf] for leaf in ("", "output") if leaf in outcome.leaves), None)


def _relation_finding(
    relation: Relation, group: list[Call], attempt: Attempt, answer: Answer, returns: str, failed_before: bool
) -> Finding:
    """Judges a property on raw arrays: the unchanged call against the key, and against each changed one, since whatever
    never changes has the property. Shapes and dtypes come first: two that fit by broadcasting can make an array that
    fills a machine."""
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
    # what other checks have told need not be told again
    missed = Status.UNCHECKED if failed_before else Status.FAILED
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
    except (ValueError, IndexError, TypeError, MemoryError):  # an output of another shape
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
        return Finding(
            call.check, Status.UNCHECKED, "what the unchanged call gives has to be right first", inputs=inputs
        )
    summary, detail, advice = explain_mismatch(mismatch, call, returns)
    return Finding(
        call.check,
        Status.FAILED,
        f"before anything is changed, {summary}",
        detail,
        inputs,
        mismatch.difference,
        advice=advice,
    )
