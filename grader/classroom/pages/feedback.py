"""One page of feedback for each student, as HTML and as Markdown: what became of each problem, and why.

A page tells no expected value (`discreet`) and nothing of the machine that graded (`moved`). Whatever a student wrote
is text there, never markup.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from grader.classroom.arrivals.submission import NO_PROBLEM
from grader.classroom.book import reckoning
from grader.classroom.book.exports import write
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.points import credit, shown
from grader.classroom.book.rules import Grading
from grader.classroom.pages.feedback_markdown import markdown, said
from grader.classroom.pages.sheet import sheet
from grader.classroom.pages.wording import (
    SIGNS,
    by_hand,
    evidence,
    how,
    in_points,
    late,
    noted,
    nothing,
    of_a_file,
    points,
    standing,
    told,
    total,
)
from grader.course.verdict import Verdict
from grader.report import words
from grader.report.markup import Markup, join, tag
from grader.report.page import prose, verdict_page

ENCODINGS = ("utf-8", "utf-8-sig", "iso-8859-1", "iso-8859-15", "cp1252", "ascii")
HEADING = "Feedback for "
LINES = 1000  # of a file that a page shows
Content = Callable[[str], "bytes | None"]  # what was handed in, by its digest


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
    """Writes the pages that changed into `out`, and gives their number; a page of somebody who has none any more is
    taken away, since it would tell other points than those that count. `folders` are places of this machine that no
    page may tell of; `content` gives what was graded, to be shown beside its verdict.

    Raises:
        OSError: a page cannot be written; the others are whole.
    """
    written, there = 0, set()
    for row in marks:
        for suffix, text in pages(row, grading, titles, folders, content):
            path = out / f"{row.student.student}{suffix}"
            if path.name != f"{row.student.student}{suffix}" or path.parent != out:
                raise ValueError(f"{row.student.student!r} is no file name")
            there.add(path.name)
            if not path.exists() or path.read_bytes() != text.encode("utf-8", "replace"):
                write(path, text)
                written += 1
    for path in [*out.iterdir()] if out.is_dir() else ():
        if path.name not in there and _is_page(path):
            path.unlink()
    return written


def _is_page(path: Path) -> bool:
    """Whether an earlier run wrote it: what somebody else put into the folder stays."""
    if path.suffix not in (".html", ".md") or path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        start = stream.read(1000)
    return start.startswith(f"# {HEADING}".encode()) or f"<title>{HEADING}".encode() in start


def pages(
    row: Marks, grading: Grading, titles: Mapping[int, str], folders: Sequence[str] = (), content: Content = no_content
) -> Iterator[tuple[str, str]]:
    """A student's page by the end of its name: `.html` and `.md`."""
    verdicts = {problem: told(mark, folders) for problem, mark in row.by_problem.items() if mark.grade}
    codes = {problem: _code(content(mark.grade.digest)) for problem, mark in row.by_problem.items() if mark.grade}
    yield ".html", _html(row, verdicts, grading, titles, codes)
    yield ".md", markdown(row, verdicts, grading, titles, codes)


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


def tried(verdict: Verdict) -> None:
    """Makes of a verdict what its pages will say of it, and raises what that raises."""
    shown = of_a_file(verdict, "", ())
    verdict_page(shown, styled=False)
    said(Mark(verdict.number, 1.0, credit=credit(verdict)), shown)


def _html(
    row: Marks, verdicts: Mapping[int, Verdict], grading: Grading, titles: Mapping[int, str], codes: Mapping[int, str]
) -> Markup:
    name = row.student.name or row.student.student
    listed = [
        tag(
            "tr",
            tag("th", tag("a", f"{problem} · {titles.get(problem, '')}", href=f"#p{problem}"), scope="row"),
            tag("td", tag("b", sign, aria_hidden="true"), f" {means}", class_=f"status {look}"),
            tag("td", points(mark), class_="points"),
        )
        for problem, mark in row.by_problem.items()
        for sign, means, look in [standing(mark)]
    ]
    head = tag(
        "tr",
        *(
            tag("th", told, scope="col", class_=look)
            for told, look in (("problem", None), ("", None), ("points", "points"))
        ),
    )
    parts = [
        tag("h1", HEADING, tag("bdi", name)),
        tag("p", tag("strong", total(row)), f" of {shown(grading.maximum)} points", class_="total"),
        tag("p", prose(words.sentence(row.student.trouble)), class_="note failed") if row.student.trouble else "",
        *(tag("p", prose(words.sentence(line)), class_="note") for line in row.student.told.get(NO_PROBLEM, ())),
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
    return sheet(f"{HEADING}{name}", *parts)


def _section(mark: Mark, verdict: Verdict | None, title: str, text: str) -> Markup:
    heading = tag(
        "h2", tag("span", f"{mark.problem} · {title}"), tag("span", in_points(mark), class_="points"), class_="head"
    )
    notes = [tag("p", prose(words.sentence(line)), class_="note") for line in mark.told]
    notes += [tag("p", prose(by_hand(mark)), class_="note")] if mark.override else []
    if verdict is None:
        return tag("section", heading, *notes, tag("p", nothing(mark), class_="faint"), id=f"p{mark.problem}")
    notes += [tag("p", prose(late(mark)), class_="note")] if mark.late else []
    notes += [tag("p", before, class_="note")] if (before := noted(mark, verdict)) else []
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
