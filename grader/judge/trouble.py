"""What keeps checks from being made: a file that cannot be imported, a run that is not a worker's own, a name that is
not there."""

from __future__ import annotations

from grader.course.problem import Problem
from grader.course.verdict import Check, Finding, Outcome, Status
from grader.judge.attempt import Attempt
from grader.judge.explain import explain_ended
from grader.judge.raised import explain_failure
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
        # it said so itself: calls have no outcome
        ended = attempt.ended if attempt.ended.how != "finished" else Ended("forged")
        summary, advice = explain_ended(ended)
        when = (
            "while the file was imported"
            if "found" not in attempt.messages
            else "while it was called"
            if ended.how == "forged"
            else "between two calls"
        )
        return Finding(Check("", "import"), status_of(ended), f"{when}, {summary}", lines=attempt.lines, advice=advice)
    summary, advice = explain_failure(outcome.failure, "import")
    return Finding(
        Check("", "import"),
        Status.FAILED,
        f"the file cannot be imported: {summary}",
        lines=outcome.failure.lines,
        advice=advice,
    )


def not_callable(found: dict, name: str, problem: Problem) -> Finding | None:
    """What is wrong with a name before it is called."""
    check = Check(name, "name")
    if "missing" in found:
        others = ", ".join(found["missing"][:6]) or "nothing"
        return Finding(
            check,
            Status.FAILED,
            f"the file defines no `{name}`",
            f"it defines: {others}",
            advice=f"The contract's name is `{name}`, spelled exactly so.",
        )
    if "not callable" in found:
        return Finding(
            check,
            Status.FAILED,
            f"`{name}` is of type {found['not callable']} and cannot be called",
            advice=f"Is `{name}` assigned again further down?",
        )
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
    fits = (
        (positional[: len(ordered)] == ordered or "VAR_POSITIONAL" in kinds)
        and ({*expected} <= by_name or "VAR_KEYWORD" in kinds)
        and {*needed} <= {*expected}
    )
    if fits:
        return None
    taken = ", ".join({"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(kind, "") + p for p, kind, _ in parameters)
    return Finding(
        check,
        Status.FAILED,
        f"`{name}` takes ({taken}); expected ({', '.join(expected)})",
        advice="Arguments keep their names and their order: a case may pass them either way.",
    )


def status_of(ended: Ended) -> Status:
    """A machine that was too busy is nobody's fault."""
    return Status.UNCHECKED if ended.how == "starved" else Status.FAILED
