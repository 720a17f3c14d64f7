"""A student's page as Markdown, which Canvas takes for a comment, and of which Gradescope's output is made."""

from __future__ import annotations

from collections.abc import Mapping

from grader.classroom.arrivals.submission import NO_PROBLEM
from grader.classroom.book import reckoning
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.points import shown
from grader.classroom.book.rules import Grading
from grader.classroom.pages.escape import code, fenced, plain, spans
from grader.classroom.pages.wording import (
    SIGNS,
    by_hand,
    evidence,
    how,
    in_points,
    late,
    noted,
    nothing,
    points,
    standing,
    total,
)
from grader.course.verdict import EntryVerdict, Finding, Status, Verdict
from grader.report import words


def markdown(
    row: Marks, verdicts: Mapping[int, Verdict], grading: Grading, titles: Mapping[int, str], codes: Mapping[int, str]
) -> str:
    parts = [
        f"# Feedback for {plain(row.student.name or row.student.student)}",
        f"**{total(row)} of {shown(grading.maximum)} points**",
    ]
    parts += [plain(words.sentence(row.student.trouble))] if row.student.trouble else []
    parts += [f"> {spans(words.sentence(line))}" for line in row.student.told.get(NO_PROBLEM, ())]
    table = ["| problem | | points |", "|---|---|---|"]
    table += [
        f"| {problem} · {plain(titles.get(problem, ''))} | {sign} {means} | {points(mark)} |"
        for problem, mark in row.by_problem.items()
        for sign, means, _ in [standing(mark)]
    ]
    summed = reckoning.total(row.by_problem, grading)
    parts += ["\n".join(table), f"The sum: {summed}" if summed else ""]
    for problem, mark in row.by_problem.items():
        parts += _chapter(mark, verdicts.get(problem), titles.get(problem, ""), codes.get(problem, ""))
    parts += ["## Points and signs", how(grading), ", ".join(f"{sign} {means}" for sign, means in SIGNS)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _chapter(mark: Mark, verdict: Verdict | None, title: str, text: str) -> list[str]:
    about = [f"<sub>{plain(evidence(mark))}</sub>"] if verdict else []
    graded = (
        ["<details><summary>the code that was graded</summary>", fenced(text, "python"), "</details>"] if text else []
    )
    return [f"## {mark.problem} · {plain(title)}: {in_points(mark)}", *said(mark, verdict), *graded, *about]


def said(mark: Mark, verdict: Verdict | None) -> list[str]:
    """What is said of one problem below its heading, as paragraphs of Markdown."""
    parts = [f"> {spans(words.sentence(line))}" for line in mark.told]
    parts += [f"> {spans(by_hand(mark))}"] if mark.override else []
    parts += [f"> {spans(late(mark))}"] if mark.late else []
    if verdict is None:
        return parts + [nothing(mark)]
    parts += [f"> {before}"] if (before := noted(mark, verdict)) else []
    if verdict.status == Status.PASSED:
        what, how = words.passed(verdict)
        parts.append(f"{words.MARK[Status.PASSED]} **{plain(what)}**{plain(how)}")
    elif verdict.trouble:
        finding = verdict.trouble
        parts += [
            f"{words.MARK[finding.status]} **{spans(words.sentence(finding.summary))}**",
            _own_lines(finding, verdict),
            spans(finding.advice),
        ]
    else:
        parts += [part for entry in verdict.entries for part in _entry(entry, verdict)]
    return parts + _prints(verdict) + _sums(mark)


def _sums(mark: Mark) -> list[str]:
    """How its points came about, as a table and a line."""
    found = reckoning.reckoning(mark)
    if found is None:
        return []
    rules = f"|---|{'--:|' * (len(reckoning.HEAD) - 1)}"
    lines = [
        f"| {' | '.join(reckoning.HEAD)} |",
        rules,
        *(f"| {' | '.join((spans(row[0]), *row[1:]))} |" for row in found.rows),
    ]
    return ["\n".join(lines), *found.sentences]


def _entry(entry: EntryVerdict, verdict: Verdict) -> list[str]:
    finding, name = entry.first, code(entry.name)
    if words.in_a_line(entry) or finding is None:
        return [f"{words.MARK[entry.status]} {name} {plain(words.in_a_line(entry))}"]
    layout = words.layout(entry)
    checks = [f for f in entry.findings if f.status == Status.PASSED]
    counted = f"{len(checks)} of {words.count(len(entry.findings), 'check')} passed" if layout.cases else ""
    parts = [
        f"{words.MARK[Status.FAILED]} {name}" + (f": {counted}" if counted else ""),
        f"**{plain(words.title(finding))}**" + (f" {code(finding.inputs)}" if finding.inputs else ""),
        spans(words.sentence(finding.summary)),
        fenced(finding.detail) if finding.detail else "",
        _own_lines(finding, verdict),
        _places(finding),
        spans(finding.advice),
    ]
    known, said = words.diagnosis(entry)
    parts += ["\n>\n".join([f"> **{plain(known)}**", *(f"> {spans(part)}" for part in said)])] if known else []
    step = words.debugging(verdict, entry)
    return parts + ([f"Next: run {code(step)} in the course's folder."] if step else [])


def _places(finding: Finding) -> str:
    """Where the output is wrong: `█`, and `·` where it is right."""
    difference = finding.difference
    if difference is None or difference.told is None:
        return ""
    told, axes = difference.told, f" {words.PROPERTY_AXES}" if difference.leaf == "property" else ""
    rows = (
        ["".join("█" if wrong else "·" for wrong in row) for row in told.plane.wrong] if told.plane is not None else []
    )
    came = (
        ""
        if axes
        else f"The first wrong value, at {list(told.first)}: yours is "
        f"{told.came if isinstance(told.came, (bool, int, str)) else f'{told.came:.4g}'}."
    )
    return "\n\n".join(
        filter(None, [plain(f"Where: {told.where}{axes}."), fenced("\n".join(rows)) if rows else "", plain(came)])
    )


def _own_lines(finding: Finding, verdict: Verdict) -> str:
    lines = words.source(finding, verdict.path)
    return fenced("\n".join(f"{place}   {text}".rstrip() for place, text in lines)) if lines else ""


def _prints(verdict: Verdict) -> list[str]:
    return [
        part
        for where, lines in words.prints(verdict)[:2]
        for part in (plain(words.sentence(where)), fenced("\n".join(lines)))
    ]
