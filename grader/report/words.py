"""What every rendering of a verdict says: marks, titles, sentences, and which check stands where. How it looks is for
each to decide."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grader.course.cases import CLAIM_KINDS, TRANSFORMS
from grader.course.verdict import Check, EntryVerdict, Finding, Status, Verdict
from grader.judge.kinds import kind_of

COMMAND = "python -m grader"
MARK = {Status.PASSED: "✓", Status.FAILED: "✗", Status.NOT_WRITTEN: "○", Status.UNCHECKED: "?", Status.COURSE: "!"}
NOTES = "¹²³⁴⁵⁶⁷⁸⁹"
NO_CHECK = "–"  # a transform that does not apply to a case
PROPERTY_AXES = "(rows: changes, columns: output rows)"
PRINTED_LINES = 12


@dataclass(frozen=True)
class Layout:
    """The findings for one name by where they stand: a table of cases and transforms, claims about the program, checks
    of the whole."""

    cases: tuple[str, ...]
    table: dict[tuple[str, str], Finding]
    proofs: tuple[Finding, ...]
    whole: tuple[Finding, ...]


def layout(entry: EntryVerdict) -> Layout:
    return Layout(
        tuple(dict.fromkeys(f.check.case for f in entry.findings if f.check.kind in TRANSFORMS)),
        {(f.check.case, f.check.kind): f for f in entry.findings},
        tuple(f for f in entry.findings if f.check.kind in CLAIM_KINDS),
        tuple(f for f in entry.findings if f.check.kind not in (*TRANSFORMS, *CLAIM_KINDS)),
    )


def has_table(entry: EntryVerdict) -> bool:
    """A name that is missing has no checks to show."""
    return entry.first is None or entry.first.check.kind != "name"


def title(finding: Finding, verdict: Verdict | None = None) -> str:
    """What a check is called: its case and transform, or what it is about; in a verdict on several names also whose it
    is."""
    whose = f"{finding.check.entry} · " if verdict and len(verdict.entries) > 1 and finding.check.entry else ""
    if finding.check.kind in CLAIM_KINDS:
        return whose + finding.check.case
    kind = structure(finding)
    return whose + (
        f"{finding.check.case} · {kind}" if finding.check.case and finding.check.kind in TRANSFORMS else kind
    )


def failing(verdict: Verdict) -> list[EntryVerdict]:
    """The names that are wrong, in the contract's order."""
    return [entry for entry in verdict.entries if entry.first and not in_a_line(entry)]


def reason(entry: EntryVerdict) -> str:
    """Why a name fails, in a few words."""
    return diagnosis(entry)[0] or entry.first.summary


def diagnosis(entry: EntryVerdict) -> tuple[str, tuple[str, ...]]:
    """What is known of a failure: its name, and what is said of it, in paragraphs; an empty name where nothing is."""
    if entry.second:
        return f"two things: {spoken(entry.mistake)}, and {spoken(entry.second.name)}", (
            entry.sentence,
            entry.second.sentence,
        )
    if found := entry.partly:
        return f"perhaps: {spoken(found.name)}", (
            f"At ‘{found.first}’, the first case that fails, yours gives what this mistake gives: {found.sentence}",
            f"At ‘{found.unexplained}’ it gives something else: it may be another mistake, or not the only one.",
        )
    if entry.uses:
        return f"it uses {entry.uses}", (
            f"`{entry.name}` is made of `{entry.uses}`, which is wrong too. Mend that first: what is wrong here may be "
            f"no more than that.",
        )
    return spoken(entry.mistake), (entry.sentence,)


def legend(entries: Sequence[EntryVerdict]) -> str:
    """What `–` and `?` mean in the tables of the names that fail, where they are there."""
    tables = _tables(entries)
    gaps = any(
        (case, transform) not in table.table for table in tables for case in table.cases for transform in TRANSFORMS
    )
    why = reasons(entries)
    told = "; ".join(f"{sign} {text}".strip() for text, sign in why.items())
    return "   ".join(
        [f"{NO_CHECK} does not apply"] * gaps
        + [f"{MARK[Status.UNCHECKED]} could not be checked" + (f": {told}" if told else "")] * bool(_unchecked(tables))
    )


def reasons(entries: Sequence[EntryVerdict]) -> dict[str, str]:
    """Why checks of the names that fail could not be made; where there are several reasons, each with the sign that
    stands beside its `?`."""
    told = [*dict.fromkeys(finding.summary for finding in _unchecked(_tables(entries)) if finding.summary)]
    return {text: NOTES[place % len(NOTES)] if len(told) > 1 else "" for place, text in enumerate(told)}


def mark(finding: Finding, why: Mapping[str, str]) -> str:
    """The sign of a check in a table, of one that could not be made with the sign of its reason."""
    return MARK[finding.status] + (why.get(finding.summary, "") if finding.status == Status.UNCHECKED else "")


def _tables(entries: Sequence[EntryVerdict]) -> list[Layout]:
    return [layout(entry) for entry in entries if entry.first and not in_a_line(entry) and has_table(entry)]


def _unchecked(tables: Sequence[Layout]) -> list[Finding]:
    return [
        finding
        for table in tables
        for finding in (*table.table.values(), *table.proofs, *table.whole)
        if finding.status == Status.UNCHECKED
    ]


def structure(finding: Finding) -> str:
    return kind_of(finding.check.kind).title or finding.check.kind


def passed(verdict: Verdict) -> tuple[str, str]:
    """A pass in a line: what passed, and by how much."""
    checks = sum(len(entry.findings) for entry in verdict.entries)
    return f"{verdict.number} · {verdict.title} passed", f": {checks} checks in {verdict.seconds:.1f} s."


def in_a_line(entry: EntryVerdict) -> str:
    """What follows a name of which a line says everything; nothing where it failed."""
    if entry.status == Status.UNCHECKED:
        unproved = next((finding.summary for finding in entry.findings if finding.unproved), "")
        return unproved or "could not be checked: the run was cut short before it"
    if entry.first is None:
        return f"passed all {len(entry.findings)} checks"
    return f"is not written yet ({entry.first.summary})" if entry.first.status == Status.NOT_WRITTEN else ""


def opening(verdict: Verdict) -> str:
    """The next step where nothing is written yet."""
    return f"open {verdict.path} and fill in the TODO, or read the lesson: {COMMAND} lesson {verdict.number}"


def debugging(verdict: Verdict, entry: EntryVerdict, *, here: bool = False) -> str:
    """The command that runs the first failing case in a terminal, where there is a case to run, and nothing else to
    mend first. Where the file lies `here`, one that is not the stub's is named."""
    if entry.first is None or entry.uses or entry.first.check.kind in ("name", "end"):
        return ""
    which = f' "{entry.name} {called(entry.first.check)}"' if len(verdict.entries) > 1 else ""
    other = here and verdict.path != f"problems/{verdict.name}/stub.py"
    return f"{COMMAND} debug {verdict.number}{which}{f' --file {shlex.quote(verdict.path)}' if other else ''}"


def called(check: Check) -> str:
    """What `debug` finds a check of a name by: its case, with its transform unless it is a plain call; or what it is
    about. No two checks of a name are called the same."""
    if check.kind in TRANSFORMS:
        return check.case if check.kind == "eager" else f"{check.case} {check.kind}"
    return check.case if check.kind in CLAIM_KINDS else kind_of(check.kind).title


def source(finding: Finding, path: str) -> list[tuple[str, str]]:
    """The student's own lines, innermost last: where each stands, and its text."""
    return [
        (f"{path}:{number}" + (f" in {function}" if function and function != "<module>" else ""), text.strip())
        for number, function, text in finding.lines[-3:]
    ]


def prints(verdict: Verdict) -> list[tuple[str, list[str]]]:
    """What was printed, by lines; what the failing case printed comes first."""
    return [(f"your code printed ({where}):", text.splitlines()) for where, text in failing_first(verdict)]


def failing_first(verdict: Verdict) -> list[tuple[str, str]]:
    failing = {f"{entry.first.check.kind} · {entry.first.check.case}" for entry in verdict.entries if entry.first}
    return sorted(verdict.prints, key=lambda part: part[0] not in failing)


def spoken(name: str) -> str:
    return name.replace("_", " ")


def sentence(text: str) -> str:
    """The text as a sentence. A name that begins it, of a file or in a program, keeps its small letter."""
    first = text[:1] if re.match(r"\S*\w[._/]\w", text) else text[:1].upper()
    return first + text[1:] + ("" if text.endswith((".", "!", "?", ":")) else ".")


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
