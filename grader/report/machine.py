"""A Verdict as JSON, for machines, and back. `verdict.schema.json` beside this file documents every field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grader.course.verdict import Check, Difference, EntryVerdict, Finding, Named, Plane, Status, Told, Verdict

SCHEMA_VERSION = 1


def report(verdicts: Sequence[Verdict], exit_code: int) -> dict:
    return dict(
        schema=SCHEMA_VERSION, exit_code=exit_code, problems=[_verdict(verdict, pictures=False) for verdict in verdicts]
    )


def data(verdict: Verdict) -> dict:
    """A verdict to keep: what a report has of it, and what the pictures of the first failing check of each name
    need."""
    return _verdict(verdict, pictures=True)


def _verdict(verdict: Verdict, pictures: bool) -> dict:
    return dict(
        number=verdict.number,
        name=verdict.name,
        title=verdict.title,
        path=verdict.path,
        status=verdict.status.value,
        trouble=_finding(verdict.trouble) if verdict.trouble else None,
        names=[
            dict(
                name=entry.name,
                status=entry.status.value,
                mistake=entry.mistake or None,
                sentence=entry.sentence or None,
                second=_named(entry.second),
                partly=_named(entry.partly),
                uses=entry.uses or None,
                checks=[_finding(finding, pictures, finding is entry.first) for finding in entry.findings],
            )
            for entry in verdict.entries
        ],
        prints=[dict(where=where, text=text) for where, text in verdict.prints],
        notes=list(verdict.notes),
        seconds=round(verdict.seconds, 3),
    )


def _named(known: Named | None) -> dict | None:
    if known is None:
        return None
    return dict(name=known.name, sentence=known.sentence) | (
        dict(first=known.first, unexplained=known.unexplained) if known.first else {}
    )


def _finding(finding: Finding, where: bool = False, plane: bool = False) -> dict:
    return dict(
        kind=finding.check.kind,
        case=finding.check.case or None,
        status=finding.status.value,
        summary=finding.summary or None,
        detail=finding.detail or None,
        inputs=finding.inputs or None,
        advice=finding.advice or None,
        lines=[dict(line=number, function=function, source=source) for number, function, source in finding.lines],
        difference=_difference(finding.difference, where, where and plane) if finding.difference else None,
    )


def _difference(difference: Difference, where: bool, plane: bool) -> dict:
    from grader.report import picture

    told = picture.told(difference, shown=plane)
    common = dict(
        leaf=difference.leaf,
        shape=list(told.shape),
        wrong=told.wrong,
        largest=picture.as_json(difference.largest),
        allowed=picture.as_json(difference.allowed),
        first=list(told.first),
        expected=told.expected,
        came=told.came,
    )
    return (
        common
        | ({"where": told.where} if where else {})
        | ({"plane": _plane(told.plane)} if plane and told.plane else {})
    )


def _plane(plane: Plane) -> dict:
    return dict(
        size=list(plane.size),
        tops=list(plane.tops),
        lefts=list(plane.lefts),
        rows=plane.rows.tolist(),
        columns=plane.columns.tolist(),
        dtype=plane.came.dtype.name,
        expected=None if plane.expected is None else _values(plane.expected),
        came=_values(plane.came),
        wrong=plane.wrong.tolist(),
    )


def _values(array) -> list:
    """Each value in as few digits as its type needs to have it back."""
    import numpy as np

    from grader.report import picture

    few = array.dtype.kind not in "biu" and array.dtype.itemsize <= 4
    return [[picture.as_json(np.float64(str(np.float32(value))) if few else value) for value in row] for row in array]


# And back


def restored(data: Mapping) -> Verdict:
    """The verdict that `data` was made of. Its differences have no arrays, but what is told of them; rendered, it is
    the same."""
    entries = tuple(
        EntryVerdict(
            entry["name"],
            Status(entry["status"]),
            tuple(_restored_finding(check, entry["name"]) for check in entry["checks"]),
            entry["mistake"] or "",
            entry["sentence"] or "",
            *(Named(**entry[part]) if entry.get(part) else None for part in ("second", "partly")),
            entry.get("uses") or "",
        )
        for entry in data["names"]
    )
    return Verdict(
        data["number"],
        data["name"],
        data["title"],
        data["path"],
        Status(data["status"]),
        entries,
        _restored_finding(data["trouble"], "") if data["trouble"] else None,
        tuple((part["where"], part["text"]) for part in data["prints"]),
        tuple(data["notes"]),
        data["seconds"],
    )


def _restored_finding(found: Mapping, entry: str) -> Finding:
    return Finding(
        Check(entry, found["kind"], found["case"] or ""),
        Status(found["status"]),
        found["summary"] or "",
        found["detail"] or "",
        found["inputs"] or "",
        _restored_difference(found["difference"]) if found["difference"] else None,
        tuple((line["line"], line["function"], line["source"]) for line in found["lines"]),
        found["advice"] or "",
    )


def _restored_difference(found: Mapping) -> Difference:
    told = Told(
        tuple(found["shape"]),
        found["wrong"],
        tuple(found["first"]),
        found["expected"],
        found["came"],
        found.get("where", ""),
        _restored_plane(found["plane"]) if found.get("plane") else None,
    )
    return Difference(found["leaf"], None, None, None, float(found["largest"]), float(found["allowed"]), told)


def _restored_plane(found: Mapping) -> Plane:
    import numpy as np

    from grader.process.wire import dtype_of

    dtype = dtype_of(found["dtype"])
    expected, came = (
        None
        if found[name] is None
        else np.array(
            [[float(value) if isinstance(value, str) else value for value in row] for row in found[name]]
        ).astype(dtype)
        for name in ("expected", "came")
    )
    return Plane(
        tuple(found["size"]),
        tuple(found["tops"]),
        tuple(found["lefts"]),
        np.array(found["rows"]),
        np.array(found["columns"]),
        expected,
        came,
        np.array(found["wrong"], bool),
    )
