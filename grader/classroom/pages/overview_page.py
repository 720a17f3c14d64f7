"""The class at a glance as a page: report.html, with links to what each student reads."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from grader.classroom.book.exports import write
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.points import shown
from grader.classroom.book.rules import Grading
from grader.classroom.pages.overview import ENDS, Misconception, ProblemReport, Report, in_words, report
from grader.classroom.pages.sheet import sheet
from grader.classroom.pages.side_by_side import listed
from grader.course.verdict import Status
from grader.report import words
from grader.report.markup import Markup, join, joined, tag
from grader.report.page import prose
from grader.report.words import count, sentence, spoken

NAME = "report.html"
STEPS = 10  # of the distribution of points
# students of whom each is told by himself: a share or a distribution of so few says nothing
FEW = 12
NAMED = 8  # students whose names stand beside a misconception, not folded


def write_report(out: Path, marks: Sequence[Marks], grading: Grading, titles: Mapping[int, str], **more) -> Path:
    """Writes report.html into `out`. `more` is what `report` takes by name."""
    write(out / NAME, page(report(marks, titles, **more), grading))
    return out / NAME


def page(told: Report, grading: Grading) -> Markup:
    parts = [tag("h1", "The class"), _tiles(told, grading)]
    parts += [tag("p", prose(sentence(line)), class_="note failed") for line in (*told.warnings, *told.versions)]
    parts += (
        [
            tag(
                "p",
                f"This machine could not give every limit, and these were waived: {', '.join(told.waived)}.",
                class_="note failed",
            )
        ]
        if told.waived
        else []
    )
    parts += [
        tag("h2", "What to teach next"),
        _teach(told),
        tag("h2", "Problem by problem"),
        _legend(),
        tag("ul", *map(_problem_bar, told.problems), class_="bars"),
    ]
    parts += [tag("h2", "Students"), _students(told, grading)] if told.rows else []
    parts += [tag("h2", "Points"), _points(told.totals, grading.maximum)] if told.totals else []
    details = [
        _details(problem, _links(told, problem.number))
        for problem in told.problems
        if problem.mistakes or problem.unnamed
    ]
    parts += [tag("h2", "What went wrong at each problem"), *details] if details else []
    parts += [tag("h2", "Similar submissions"), _alike(told)] if told.alike is not None else []
    parts += [tag("h2", "To look at"), *(_listed(what, whom) for what, whom in told.look)] if told.look else []
    return sheet("The class", *parts)


def _tiles(told: Report, grading: Grading) -> Markup:
    tiles = [(told.handed_in, f"of {count(told.students, 'student')} handed in"), (told.solved, "passed everything")]
    tiles += (
        [(shown(statistics.median(told.totals)), f"median of {shown(grading.maximum)} points")] if told.totals else []
    )
    tiles += [(len(told.teach), "misconceptions" if len(told.teach) != 1 else "misconception")]
    return tag("ul", *(tag("li", tag("strong", number), tag("span", what)) for number, what in tiles), class_="tiles")


def _teach(told: Report) -> Markup:
    if not told.teach:
        return tag("p", "No known mistake was found.", class_="faint")
    links = _links(told)
    return tag(
        "ol",
        *(_misconception(found, links, f" · at {in_words(found.problems)}") for found in told.teach),
        class_="bars",
    )


def _misconception(found: Misconception, links: Mapping[str, Markup], at: str = "") -> Markup:
    """A misconception with who has it. Its bar is their part of those with a verdict where it was made, so that one
    student of many is never a full one."""
    number, of = len(found.students), len(found.among)
    told = f"{number} of {count(of, 'student')} with a verdict"
    return tag(
        "li",
        tag("div", tag("strong", spoken(found.name)), tag("span", f"{told}{at}", class_="points"), class_="head"),
        _bar([("bar", number)], of, told),
        tag("p", prose(found.sentence)),
        _who([links[one] for one in links if one in found.students]),
    )


def _who(names: Sequence[Markup]) -> Markup:
    """A few names as they are, many folded."""
    listed = joined(", ", names)
    if len(names) <= NAMED:
        return tag("p", listed, class_="faint small")
    return tag("details", tag("summary", count(len(names), "student")), tag("p", listed), class_="faint small")


def _links(told: Report, problem: int | None = None) -> dict[str, Markup]:
    """Everybody's name, by key and in order, as a link to the page of feedback, and there to a problem."""
    at = f"#p{problem}" if problem else ""
    return {
        row.student.student: tag(
            "a", tag("bdi", told.names[row.student.student]), href=f"feedback/{quote(row.student.student)}.html{at}"
        )
        for row in told.rows
    }


def _students(told: Report, grading: Grading) -> Markup:
    """Everybody's points at each problem. Each leads to what the student reads about it."""
    links = _links(told)
    numbers = [problem.number for problem in told.problems]
    head = tag(
        "tr",
        tag("th", "student", scope="col"),
        *(tag("th", number, scope="col", class_="number") for number in numbers),
        tag("th", f"of {shown(grading.maximum)}", scope="col", class_="number"),
        tag("th", "", scope="col"),
    )
    body = [
        tag(
            "tr",
            tag("th", links[row.student.student], scope="row"),
            *(_cell(row, row.by_problem[number]) for number in numbers),
            tag("td", words.NO_CHECK if row.blank else shown(row.total), class_="number"),
            tag("td", "late" if any(mark.late for mark in row.by_problem.values()) else "", class_="faint small"),
        )
        for row in told.rows
    ]
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *body), class_="list"),
        class_="wide",
        tabindex="0",
        role="region",
        aria_label="students",
    )


def _cell(row: Marks, mark: Mark) -> Markup:
    """One student's points for one problem, with the sign of its verdict if there is one. What has no points is blank,
    and no 0."""
    if mark.grade is None and not mark.override:
        return tag("td", words.NO_CHECK, class_="number faint")
    link = f"feedback/{quote(row.student.student)}.html#p{mark.problem}"
    if mark.blank and mark.unread:
        return tag("td", tag("a", words.NO_CHECK, href=link, aria_label="could not be read"), class_="number")
    if mark.grade is None or mark.unread:
        told = shown(mark.points)
        return tag("td", tag("a", told, href=link, aria_label=f"{told} by hand"), class_="number")
    status = mark.grade.status
    look = {Status.PASSED: "passed", Status.FAILED: "failed"}.get(status, "")
    sign = tag("b", words.MARK[status], role="img", aria_label=status.value)
    points = words.NO_CHECK if mark.blank else shown(mark.points)
    return tag("td", tag("a", sign, " ", points, href=link), class_=f"number {look}".strip())


def _problem_bar(problem: ProblemReport) -> Markup:
    total = sum(problem.ends.values())
    told = ", ".join(f"{problem.ends[end]} {means}" for end, means in ENDS if problem.ends[end])
    passed, tries = problem.ends["passed"], f", {problem.attempts:.1f} attempts each" if problem.attempts > 1.05 else ""
    share = f" ({_percent(passed, problem.judged)})" if problem.judged > FEW else ""
    share = f"{passed} of {problem.judged} passed{share}{tries}" if problem.judged else "none was judged"
    share = share if problem.handed_in else "nobody handed it in"
    return tag(
        "li",
        tag(
            "div",
            tag("strong", f"{problem.number} · {problem.title}"),
            tag("span", share, class_="points"),
            class_="head",
        ),
        _bar([(end, problem.ends[end]) for end, _ in ENDS], total, told),
        tag("p", told or "nothing yet", class_="faint small"),
    )


def _legend() -> Markup:
    return tag(
        "ul",
        *(tag("li", tag("i", class_=f"fill-{end}"), means) for end, means in ENDS),
        class_="legend",
        aria_hidden="true",
    )


def _bar(parts: Sequence[tuple[str, int]], whole: int, told: str) -> Markup:
    """Parts of a whole side by side, as wide as the page lets them be; what they are is told in words."""
    rects, at = [], 0.0
    for look, number in parts:
        width = 100 * number / whole if whole else 0.0
        if number:
            rects.append(
                tag("rect", x=f"{at:.2f}", width=f"{max(width - 0.25, 0.25):.2f}", height=1, class_=f"fill-{look}")
            )
        at += width
    return tag(
        "svg", *rects, class_="bar", viewBox="0 0 100 1", preserveAspectRatio="none", role="img", aria_label=told
    )


def _points(totals: Sequence[float], maximum: float) -> Markup:
    """How the totals are spread: of a few students each, of many in steps."""
    if len(totals) > FEW:
        return _distribution(totals, maximum)
    listed = ", ".join(map(shown, sorted(totals)))
    return tag("p", f"{listed} of {shown(maximum)}. The median is {shown(statistics.median(totals))}.")


def _distribution(totals: Sequence[float], maximum: float) -> Markup:
    """How many students have how many points, in ten steps; full points are in the last one."""
    counts = [0] * STEPS
    for total in totals:
        counts[min(STEPS - 1, int(max(total, 0.0) / maximum * STEPS))] += 1
    width, height, wide, most = 440, 120, 40, max(counts)
    ends = [shown(maximum * step / STEPS) for step in range(STEPS + 1)]
    parts = [tag("line", x1=20, x2=20 + STEPS * wide, y1=height + 20, y2=height + 20)]
    for step, number in enumerate(counts):
        x, tall = 20 + step * wide, number / most * height
        parts += [
            tag(
                "rect", x=x + 2, y=f"{height + 20 - tall:.1f}", width=wide - 4, height=f"{tall:.1f}", class_="fill-bar"
            ),
            tag("text", number, x=x + wide / 2, y=f"{height + 14 - tall:.1f}", text_anchor="middle") if number else "",
        ]
    parts += [
        tag("text", end, x=20 + step * wide, y=height + 38, text_anchor="middle") for step, end in enumerate(ends)
    ]
    told = "; ".join(
        f"{count(number, 'student')} from {ends[step]} to {ends[step + 1]}"
        for step, number in enumerate(counts)
        if number
    )
    return join(
        tag(
            "svg",
            *parts,
            class_="chart",
            viewBox=f"0 0 {width} {height + 46}",
            role="img",
            aria_label=f"points: {told}",
        ),
        tag(
            "p",
            f"Students by points. The mean is {shown(round(statistics.fmean(totals), 2))}, the median "
            f"{shown(statistics.median(totals))}.",
            class_="faint small",
        ),
    )


def _details(problem: ProblemReport, links: Mapping[str, Markup]) -> Markup:
    parts = [tag("h3", f"{problem.number} · {problem.title}", id=f"p{problem.number}")]
    if problem.mistakes:
        parts.append(tag("ol", *(_misconception(found, links) for found in problem.mistakes), class_="bars"))
    if problem.unnamed:
        rows = [tag("tr", tag("td", why), tag("td", number, class_="number")) for why, number in problem.unnamed]
        head = tag(
            "tr",
            tag("th", "without a known mistake, by the first failing check", scope="col"),
            tag("th", "students", scope="col", class_="number"),
        )
        parts.append(tag("table", tag("thead", head), tag("tbody", *rows), class_="list"))
    return tag("section", *parts)


def _alike(told: Report) -> Markup:
    rows = [
        tag(
            "tr",
            tag("td", listed(alike, told.names)),
            tag("td", alike.problem, class_="number"),
            tag("td", f"{100 * alike.share:.0f} %", class_="number"),
        )
        for alike in told.alike
    ]
    head = tag(
        "tr",
        tag("th", "students", scope="col"),
        tag("th", "problem", scope="col", class_="number"),
        tag("th", "alike", scope="col", class_="number"),
    )
    return join(
        tag("table", tag("thead", head), tag("tbody", *rows), class_="list")
        if rows
        else tag("p", "No two answers are alike."),
        tag("p", tag("a", "side by side", href=told.similar)) if rows else "",
    )


def _listed(what: str, whom: Collection[str]) -> Markup:
    """A few as they are, many folded."""
    items = tag("ul", *(tag("li", prose(one)) for one in whom))
    heading = f"{what} ({len(whom)})"
    return join(tag("h3", heading), items) if len(whom) <= 8 else tag("details", tag("summary", heading), items)


def _percent(part: int, whole: int) -> str:
    """In whole per cents; 100 and 0 only where it is all and nothing."""
    share = round(100 * part / whole) if whole else 0
    return f"{min(share, 99) if part < whole else share} %" if part == 0 or share else "1 %"
