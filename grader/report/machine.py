"""A Verdict as JSON, for machines. `verdict.schema.json` beside this file documents every field."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grader.verdict import Finding, Verdict

SCHEMA_VERSION = 1


def report(verdicts: Sequence[Verdict], exit_code: int) -> dict:
    return dict(schema=SCHEMA_VERSION, exit_code=exit_code, problems=[_verdict(verdict) for verdict in verdicts])


def _verdict(verdict: Verdict) -> dict:
    return dict(number=verdict.number, name=verdict.name, title=verdict.title, path=verdict.path, status=verdict.status.value,
                trouble=_finding(verdict.trouble) if verdict.trouble else None,
                names=[dict(name=entry.name, status=entry.status.value, mistake=entry.mistake or None, sentence=entry.sentence or None,
                            checks=[_finding(finding) for finding in entry.findings]) for entry in verdict.entries],
                prints=[dict(where=where, text=text) for where, text in verdict.prints],
                notes=list(verdict.notes), seconds=round(verdict.seconds, 3))


def _finding(finding: Finding) -> dict:
    return dict(kind=finding.check.kind, case=finding.check.case or None, status=finding.status.value, summary=finding.summary or None,
                detail=finding.detail or None, inputs=finding.inputs or None, advice=finding.advice or None,
                lines=[dict(line=number, function=function, source=source) for number, function, source in finding.lines],
                difference=_difference(finding))


def _difference(finding: Finding) -> dict | None:
    difference = finding.difference
    if difference is None:
        return None
    import numpy as np

    first = tuple(int(i) for i in np.argwhere(np.atleast_1d(difference.wrong))[0])
    return dict(leaf=difference.leaf, shape=list(difference.wrong.shape), wrong=int(difference.wrong.sum()),
                largest=_number(difference.largest), allowed=_number(difference.allowed), first=list(first),
                expected=_number(np.atleast_1d(difference.expected)[first]), came=_number(np.atleast_1d(difference.came)[first]))


def _number(value):
    """A JSON number, a boolean, or one of the strings NaN, inf, -inf, which JSON has no numbers for."""
    if getattr(value, "dtype", None) is not None and value.dtype.kind in "biu":
        return value.item()
    number = float(value)
    return number if math.isfinite(number) else {math.inf: "inf", -math.inf: "-inf"}.get(number, "NaN")
