"""One page of feedback for each student, as HTML and as Markdown: what became of each problem, and why.

A page tells no expected value (`discreet`) and nothing of the machine that graded (`moved`). Whatever a student wrote
is text there, never markup.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grader.classroom.book import reckoning
from grader.classroom.book.exports import write
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.points import CLAIMS, VALUES, WHOLE, credit, shown
from grader.classroom.book.rules import Grading
from grader.classroom.pages.discreet import discreet, moved, shortened
from grader.classroom.pages.sheet import sheet
from grader.course.verdict import Check, EntryVerdict, Finding, Status, Verdict
from grader.report import words
from grader.report.markup import UNSHOWN, Markup, join, tag
from grader.report.page import prose, verdict_page

MISSING = "nothing was handed in"
UNREAD = "could not be read"
BY_HAND = "points by hand"
NOT_YET = "not graded yet"
OPEN = "Not everything could be checked, which is not your mistake. Whoever runs the course has been told."
HOW = (
    "A problem that passed has all of its points. Otherwise each name that it asks for counts alike, {values} of "
    "{all} parts for values, {claims} for claims about the program, {whole} for what is asked of the whole; parts that "
    "a name does not have are shared out among its others. The last two, and properties, count only where every plain "
    "call (eager) is right."
)
ALL_OR_NOTHING = "A problem that passed has all of its points, any other none."
AT_FAULT = "It could not be graded, which is not your mistake. Whoever runs the course has been told."
UNASKED = "It was handed in, and is not graded yet."
UNASKED_LATER = "This is about an earlier version of yours. The last one is not graded yet."
LATER = (
    "This is about an earlier version of yours. The last one could not be graded yet, which is not your mistake. "
    "Whoever runs the course has been told."
)
SIGNS = (
    *(
        (words.MARK[status], status.value)
        for status in (Status.PASSED, Status.FAILED, Status.UNCHECKED, Status.NOT_WRITTEN)
    ),
    (words.NO_CHECK, "does not apply, or has no points"),
)
ENCODINGS = ("utf-8", "utf-8-sig", "iso-8859-1", "iso-8859-15", "cp1252", "ascii")
LINES = 1000  # of a file that a page shows
Content = Callable[[str], "bytes | None"]  # what was handed in, by its digest
MARKDOWN = re.compile(r"[\\`*_\[\]<>|~&$@]|(?<=[a-z]):(?=//)|(?<=www)\.|^[#+=-]|^\d+(?=[.)])", re.IGNORECASE)


def no_content(digest: str) -> None:
    """What a page knows of a file without a gradebook."""


def write_feedback(
    out: Path,
    marks: Iterable[Marks],
    grading: Grading,
    titles: Mapping[int, str],
    folders: Sequence[str] = (),
    content: Content = no_content,
) -> int:
    """Writes the pages that changed into `out`, and gives their number. `folders` are places of this machine that no
    page may tell of; `content` gives what was graded, to be shown beside its verdict.

    Raises:
        OSError: a page cannot be written; the others are whole.
    """
    written = 0
    for row in marks:
        for suffix, text in pages(row, grading, titles, folders, content):
            path = out / f"{row.student.student}{suffix}"
            if path.name != f"{row.student.student}{suffix}" or path.parent != out:
                raise ValueError(f"{row.student.student!r} is no file name")
            if not path.exists() or path.read_bytes() != text.encode("utf-8", "replace"):
                write(path, text)
                written += 1
    return written


def pages(
    row: Marks, grading: Grading, titles: Mapping[int, str], folders: Sequence[str] = (), content: Content = no_content
) -> Iterator[tuple[str, str]]:
    """A student's page by the end of its name: `.html` and `.md`."""
    verdicts = {problem: told(mark, folders) for problem, mark in row.by_problem.items() if mark.grade}
    codes = {problem: _code(content(mark.grade.digest)) for problem, mark in row.by_problem.items() if mark.grade}
    yield ".html", _html(row, verdicts, grading, titles, codes)
    yield ".md", _markdown(row, verdicts, grading, titles, codes)


def _code(content: bytes | None) -> str:
    """What was graded, as text, in the encoding that the file names."""
    if not content:
        return ""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        encoding = ""
    # a file may name any codec: some raise whatever is asked of them, and some take hours
    lines = content.decode(encoding if encoding in ENCODINGS else "utf-8", "replace").splitlines()
    more = len(lines) - LINES
    return "\n".join([*lines[:LINES], *([f"… and {words.count(more, 'more line')}"] if more > 0 else [])])


def told(mark: Mark, folders: Sequence[str] = ()) -> Verdict:
    """The verdict as its student may read it."""
    return _told(mark.grade.verdict, mark.grade.place, folders)


def _told(verdict: Verdict, place: str, folders: Sequence[str]) -> Verdict:
    """What is wrong with the course may quote a solution, and is not told."""
    if verdict.status == Status.COURSE:
        verdict = replace(verdict, entries=(), trouble=Finding(Check("", "course"), Status.COURSE, AT_FAULT), prints=())
    return replace(shortened(moved(discreet(verdict), place or f"problems/{verdict.name}/stub.py", folders)), notes=())


def tried(verdict: Verdict) -> None:
    """Makes of a verdict what its pages will say of it, and raises what that raises."""
    shown = _told(verdict, "", ())
    verdict_page(shown, styled=False)
    said(Mark(verdict.number, 1.0, credit=credit(verdict)), shown)


def _standing(mark: Mark) -> tuple[str, str, str]:
    """A mark's sign, what it means, and its class."""
    if mark.unread and not mark.ungraded:
        return words.NO_CHECK, UNREAD, "missing"
    if mark.grade is None:
        return words.NO_CHECK, BY_HAND if mark.override else NOT_YET if mark.ungraded else MISSING, "missing"
    status = mark.grade.status
    return words.MARK[status], status.value, {Status.PASSED: "passed", Status.FAILED: "failed"}.get(status, "")


def _points(mark: Mark) -> str:
    return f"{words.NO_CHECK if mark.blank else shown(mark.points)} of {shown(mark.weight)}"


def _total(row: Marks) -> str:
    return words.NO_CHECK if row.blank else shown(row.total)


def _in_points(mark: Mark) -> str:
    return f"{_points(mark)} point{'' if mark.weight == 1 else 's'}"


def how(grading: Grading) -> str:
    return (
        HOW.format(values=VALUES, claims=CLAIMS, whole=WHOLE, all=VALUES + CLAIMS + WHOLE)
        if grading.partial
        else ALL_OR_NOTHING
    )


def _by_hand(mark: Mark) -> str:
    """What is said of points that were given by hand, instead of those by checks if there are any."""
    instead = f", instead of {shown(mark.by_checks)} by checks" if mark.grade and not mark.unread else ""
    return f"{shown(mark.points)} points by hand{instead}: {words.sentence(mark.override.reason)}"


def _late(mark: Mark) -> str:
    """What is said of late work, down to its points. Points by hand are as they were given."""
    told = words.sentence(mark.late.told)
    if not mark.late.cost or mark.override or mark.blank:
        return told
    return (
        f"{told} {shown(mark.by_checks)} × {reckoning.thousandths(1 - mark.late.cost)} = {shown(mark.points)} of "
        f"{reckoning.worth(mark.weight)}."
    )


def _nothing(mark: Mark) -> str:
    """What is said where there is no verdict."""
    return (
        UNASKED
        if mark.unasked
        else AT_FAULT
        if mark.ungraded
        else words.sentence(
            "what was handed in could not be read" + (", and has no points yet" if mark.blank else "")
            if mark.unread
            else f"for this problem {MISSING}"
        )
    )


def _noted(mark: Mark, verdict: Verdict) -> str:
    """What is said before a verdict that is not the last word."""
    if mark.ungraded:
        return UNASKED_LATER if mark.unasked else LATER
    return (
        OPEN
        if mark.credit.open and not mark.override and verdict.status != Status.COURSE and not verdict.unjudged
        else ""
    )


def evidence(mark: Mark) -> str:
    """What was graded, and when: for whoever compares it with what was meant to be handed in."""
    graded, under = mark.grade, mark.grade.under
    nth = f", version {graded.attempts} of yours" if graded.attempts > 1 else ""
    versions = [f"course {under.course}"] * bool(under.course) + [f"jax {under.jax}"] * bool(under.jax)
    came = f"{mark.came}; " if mark.came else ""
    return f"{came}graded {under.graded_at[:10]}{nth}: {graded.place or 'stub.py'}, SHA-256 {graded.digest[:16]}…" + (
        f"; {', '.join(versions)}" if versions else ""
    )


# HTML


def _html(
    row: Marks, verdicts: Mapping[int, Verdict], grading: Grading, titles: Mapping[int, str], codes: Mapping[int, str]
) -> Markup:
    name = row.student.name or row.student.student
    listed = [
        tag(
            "tr",
            tag("th", tag("a", f"{problem} · {titles.get(problem, '')}", href=f"#p{problem}"), scope="row"),
            tag("td", tag("b", sign, aria_hidden="true"), f" {means}", class_=f"status {look}"),
            tag("td", _points(mark), class_="points"),
        )
        for problem, mark in row.by_problem.items()
        for sign, means, look in [_standing(mark)]
    ]
    head = tag(
        "tr",
        *(
            tag("th", told, scope="col", class_=look)
            for told, look in (("problem", None), ("", None), ("points", "points"))
        ),
    )
    parts = [
        tag("h1", "Feedback for ", tag("bdi", name)),
        tag("p", tag("strong", _total(row)), f" of {shown(grading.maximum)} points", class_="total"),
        tag("p", prose(words.sentence(row.student.trouble)), class_="note failed") if row.student.trouble else "",
        tag("table", tag("thead", head), tag("tbody", *listed), class_="list"),
        tag("p", "The sum: ", summed, class_="small") if (summed := reckoning.total(row.by_problem, grading)) else "",
        *(
            _section(mark, verdicts.get(problem), titles.get(problem, ""), codes.get(problem, ""))
            for problem, mark in row.by_problem.items()
        ),
        tag("h2", "Points and signs"),
        tag("p", how(grading), class_="faint small"),
        tag("p", *(tag("span", tag("b", sign), f" {means}") for sign, means in SIGNS), class_="faint small signs"),
    ]
    return sheet(f"Feedback for {name}", *parts)


def _section(mark: Mark, verdict: Verdict | None, title: str, text: str) -> Markup:
    heading = tag(
        "h2", tag("span", f"{mark.problem} · {title}"), tag("span", _in_points(mark), class_="points"), class_="head"
    )
    notes = [tag("p", prose(words.sentence(line)), class_="note") for line in mark.told]
    notes += [tag("p", prose(_by_hand(mark)), class_="note")] if mark.override else []
    if verdict is None:
        return tag("section", heading, *notes, tag("p", _nothing(mark), class_="faint"), id=f"p{mark.problem}")
    notes += [tag("p", prose(_late(mark)), class_="note")] if mark.late else []
    notes += [tag("p", noted, class_="note")] if (noted := _noted(mark, verdict)) else []
    return tag(
        "section",
        heading,
        *notes,
        verdict_page(verdict, styled=False),
        _reckoned(mark),
        _folded_code(text),
        tag("p", evidence(mark), class_="faint small"),
        id=f"p{mark.problem}",
    )


def _reckoned(mark: Mark) -> Markup:
    """How its points came about, as a table and a line."""
    found = reckoning.reckoning(mark)
    if found is None:
        return Markup()
    head = tag(
        "tr", *(tag("th", told, scope="col", class_="number" if at else None) for at, told in enumerate(reckoning.HEAD))
    )
    *rows, last = [
        tag("tr", tag("th", prose(row[0]), scope="row"), *(tag("td", cell, class_="number") for cell in row[1:]))
        for row in found.rows
    ]
    table = tag("table", tag("thead", head), tag("tbody", *rows), tag("tfoot", last), class_="list small sums")
    return join(
        tag("h3", "Where the points come from"),
        table,
        *(tag("p", prose(told), class_="small") for told in found.sentences),
    )


def _folded_code(text: str) -> Markup:
    if not text:
        return Markup()
    told = f"the code that was graded ({words.count(len(text.splitlines()), 'line')})"
    return tag("details", tag("summary", told), tag("pre", tag("code", text)), class_="code")


# Markdown


def _markdown(
    row: Marks, verdicts: Mapping[int, Verdict], grading: Grading, titles: Mapping[int, str], codes: Mapping[int, str]
) -> str:
    parts = [
        f"# Feedback for {plain(row.student.name or row.student.student)}",
        f"**{_total(row)} of {shown(grading.maximum)} points**",
    ]
    parts += [plain(words.sentence(row.student.trouble))] if row.student.trouble else []
    table = ["| problem | | points |", "|---|---|---|"]
    table += [
        f"| {problem} · {plain(titles.get(problem, ''))} | {sign} {means} | {_points(mark)} |"
        for problem, mark in row.by_problem.items()
        for sign, means, _ in [_standing(mark)]
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
    return [f"## {mark.problem} · {plain(title)}: {_in_points(mark)}", *said(mark, verdict), *graded, *about]


def said(mark: Mark, verdict: Verdict | None) -> list[str]:
    """What is said of one problem below its heading, as paragraphs of Markdown."""
    parts = [f"> {spans(words.sentence(line))}" for line in mark.told]
    parts += [f"> {spans(_by_hand(mark))}"] if mark.override else []
    parts += [f"> {spans(_late(mark))}"] if mark.late else []
    if verdict is None:
        return parts + [_nothing(mark)]
    parts += [f"> {noted}"] if (noted := _noted(mark, verdict)) else []
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


def plain(text: str) -> str:
    """A text in which nothing is markup, nor a link."""
    return MARKDOWN.sub(
        lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", " ".join(_shown(text).split())
    )


def code(text: str) -> str:
    """A text between as many backticks as it needs."""
    text = " ".join(_shown(text).split())
    ticks = _ticks(text, 1)
    return f"{ticks} {text} {ticks}" if "`" in text else f"{ticks}{text}{ticks}"


def fenced(text: str, language: str = "text") -> str:
    """Lines as they are, within a fence that they cannot close."""
    fence = _ticks(text, 3)
    return f"{fence}{language}\n{_shown(text)}\n{fence}"


def _ticks(text: str, least: int) -> str:
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))


def _shown(text: str) -> str:
    """A text without what cannot be shown, and without what turns the direction of all that follows."""
    return re.sub("[\u202a-\u202e\u2066-\u2069]", "", UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text))


def spans(text: str) -> str:
    """A sentence whose parts between backticks are code."""
    parts = text.split("`")
    return (
        "".join(code(part) if i % 2 else _edged(part) for i, part in enumerate(parts))
        if len(parts) % 2
        else plain(text)
    )


def _edged(text: str) -> str:
    """As plain, with the blanks at its ends, which part it from code."""
    return f"{' ' * (text[:1].isspace())}{plain(text)}{' ' * (text[-1:].isspace() and bool(text.strip()))}"
