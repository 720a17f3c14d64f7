"""The class at a glance: what it can do, which misconceptions it has, and what an instructor has to look at. As a page,
and as a few lines."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from grader.classroom.arrivals.submission import LATE
from grader.classroom.book.exports import write
from grader.classroom.book.marks import Mark, Marks
from grader.classroom.book.misconceptions import misconception
from grader.classroom.book.points import shown
from grader.classroom.book.roster import Matched
from grader.classroom.book.rules import Grading
from grader.classroom.pages.sheet import sheet
from grader.classroom.pages.similar import Pair
from grader.course.verdict import Status
from grader.report import words
from grader.report.markup import Markup, join, tag
from grader.report.page import prose
from grader.report.terminal import trimmed
from grader.report.words import count, sentence, spoken

NAME = "report.html"
STEPS = 10  # of the distribution of points
# students of whom each is told by himself: a share or a distribution of so few says nothing
FEW = 12
NAMED = 8  # students whose names stand beside a misconception, not folded
# What can become of a problem: its key, its words, and whether it counts as handed in.
ENDS = (
    ("passed", "passed"),
    ("failed", "a known mistake"),
    ("other", "failed without a known mistake"),
    ("unwritten", "not written, not run or not checked"),
    ("missing", "nothing handed in"),
)
TEACH, ALIKE = 3, 3  # misconceptions, and pairs of answers, that the terminal names


@dataclass(frozen=True)
class Misconception:
    """A known mistake, and who makes it at which problem."""

    name: str
    sentence: str
    students: frozenset[str]
    problems: tuple[int, ...]


@dataclass(frozen=True)
class ProblemReport:
    """What became of one problem over the class."""

    number: int
    title: str
    ends: Mapping[str, int]  # how many, by the keys of ENDS
    attempts: float  # of those who handed in, on average
    mistakes: tuple[Misconception, ...]
    unnamed: tuple[tuple[str, int], ...]  # the first failing check or what kept it from running, and how many

    @property
    def handed_in(self) -> int:
        return sum(number for end, number in self.ends.items() if end != "missing")


@dataclass(frozen=True)
class Report:
    """What is told of a class."""

    students: int
    handed_in: int
    totals: tuple[float, ...]  # of those who have one
    solved: int  # who passed every problem that counts
    problems: tuple[ProblemReport, ...]
    teach: tuple[Misconception, ...]  # over all problems, the most common first
    look: tuple[tuple[str, tuple[str, ...]], ...] = ()  # what has to be looked at, and for whom
    waived: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()  # why verdicts cannot all be compared
    pairs: tuple[Pair, ...] | None = None  # answers that are alike; None where nobody looked
    similar: str = ""
    warnings: tuple[str, ...] = ()  # what to know before grades are imported
    rows: tuple[Marks, ...] = ()  # everybody, in the order of names


def write_report(out: Path, marks: Sequence[Marks], grading: Grading, titles: Mapping[int, str], **more) -> Path:
    """Writes report.html into `out`. `more` is what `report` takes by name."""
    write(out / NAME, page(report(marks, titles, **more), grading))
    return out / NAME


def report(
    marks: Sequence[Marks],
    titles: Mapping[int, str],
    *,
    roster: Matched | None = None,
    pairs: Sequence[Pair] | None = None,
    similar: str = "similar.html",
    warnings: Sequence[str] = (),
) -> Report:
    """What the marks say, and a roster beside them. `similar` is the page that shows the pairs."""
    there = [row for row in marks if row.handed_in]
    graded = [row for row in there if any(mark.grade for mark in row.by_problem.values())]
    problems = tuple(
        _of_problem(number, titles.get(number, ""), [(row.student.student, row.by_problem[number]) for row in there])
        for number in (marks[0].by_problem if marks else ())
    )
    circumstances = [
        mark.grade.under for row in there for mark in row.by_problem.values() if mark.grade and mark.grade.under.key
    ]
    return Report(
        len(marks) + len(roster.missing if roster else ()),
        len(there),
        tuple(row.total for row in marks if not row.blank),
        sum(_solved(row) for row in graded),
        problems,
        _over_all(problems),
        tuple(_to_look_at(marks, roster)),
        tuple(sorted({limit for under in circumstances for limit in under.waived})),
        tuple(_mixed(there)),
        None if pairs is None else tuple(pairs),
        similar,
        tuple(warnings),
        tuple(sorted(marks, key=lambda row: (_name(row).casefold(), row.student.student))),
    )


def _name(row: Marks) -> str:
    return row.student.name or row.student.student


def _solved(row: Marks) -> bool:
    return all(mark.grade and mark.grade.status == Status.PASSED for mark in row.by_problem.values() if mark.weight)


def _end(mark: Mark) -> str:
    if mark.grade is None:
        return "unwritten" if mark.ungraded or mark.unread else "missing"
    if mark.grade.status == Status.PASSED:
        return "passed"
    if mark.grade.mistakes:
        return "failed"
    return "unwritten" if mark.grade.status != Status.FAILED or mark.trouble else "other"


def _of_problem(number: int, title: str, marks: Sequence[tuple[str, Mark]]) -> ProblemReport:
    ends = Counter(_end(mark) for _, mark in marks)
    attempts = [mark.grade.attempts for _, mark in marks if mark.grade]
    made, said = defaultdict(set), {}
    for student, mark in marks:
        for name in mark.names:
            for mistake, told in name.mistakes:
                one = misconception(mistake)
                made[one].add(student)
                said.setdefault(one, told)
    mistakes = tuple(
        sorted(
            (Misconception(name, said[name], frozenset(students), (number,)) for name, students in made.items()),
            key=_rank,
        )
    )
    unnamed = Counter(_why(mark) for _, mark in marks if _end(mark) in ("other", "unwritten"))
    return ProblemReport(
        number,
        title,
        {end: ends[end] for end, _ in ENDS},
        statistics.fmean(attempts) if attempts else 0.0,
        mistakes,
        tuple(unnamed.most_common()),
    )


def _why(mark: Mark) -> str:
    """What a failure without a known mistake is grouped by."""
    if mark.unread and not mark.ungraded:
        return "could not be read"
    if mark.grade is None:
        return "not graded yet"
    if mark.grade.status != Status.FAILED:
        return mark.grade.status.value
    if mark.trouble:
        return "could not be run"
    first = next((name for name in mark.names if name.first), None)
    return (f"{first.name}: {first.first}" if len(mark.names) > 1 else first.first) if first else "the end of the run"


def _rank(found: Misconception) -> tuple:
    return -len(found.students), found.name


def _over_all(problems: Iterable[ProblemReport]) -> tuple[Misconception, ...]:
    """A misconception at several problems is one, told in the words of the problem where it is most common."""
    by_name = defaultdict(list)
    for problem in problems:
        for found in problem.mistakes:
            by_name[found.name].append(found)
    merged = (
        Misconception(
            name,
            min(found, key=_rank).sentence,
            frozenset().union(*(one.students for one in found)),
            tuple(one.problems[0] for one in found),
        )
        for name, found in by_name.items()
    )
    return tuple(sorted(merged, key=_rank))


def _to_look_at(marks: Sequence[Marks], roster: Matched | None) -> Iterable[tuple[str, tuple[str, ...]]]:
    """What somebody has to look at, each with whom it is about."""
    pairs = [(row, mark) for row in marks for mark in row.by_problem.values() if mark.grade]
    replaced = roster.replaced if roster else {}
    found = {
        "on the roster, and nothing arrived": [row.name or ", ".join(row.ids.values()) for row in roster.missing]
        if roster
        else [],
        "arrived, and is not on the roster": roster.unknown if roster else [],
        "could be more than one on the roster": roster.ambiguous if roster else [],
        "no longer among the submissions, and graded as before": dict.fromkeys(
            row.student.student for row, _ in pairs if row.gone and row.student.student not in replaced
        ),
        "handed in under another name since, which alone counts": [
            f"{student}: now {' and '.join(now)}" for student, now in replaced.items()
        ],
        "handed in a folder with nothing in it": [
            row.student.student for row in marks if row.student.trouble and not row.student.unread
        ],
        "nothing of it could be read": [
            f"{row.student.student}: {sentence(row.student.trouble)}" for row in marks if row.student.unread
        ],
        "not graded yet": [
            f"{row.student.student}, {mark.problem}"
            for row in marks
            for mark in row.by_problem.values()
            if mark.ungraded and not mark.unasked
        ],
        "handed in, and not among the problems that this run was asked to grade": [
            f"{row.student.student}, {mark.problem}"
            for row in marks
            for mark in row.by_problem.values()
            if mark.unasked
        ],
        "one file could not be read": [
            f"{row.student.student}, {mark.problem}: {sentence(mark.trouble)}" for row, mark in pairs if mark.unread
        ],
        "not everything could be checked": [
            f"{row.student.student}, {mark.problem}: {shown(mark.points)} of {shown(mark.weight)} so far"
            for row, mark in pairs
            if mark.credit.open and not mark.override and not mark.unjudged
        ],
        "could not be checked, since the grader failed on it": [
            f"{row.student.student}, {mark.problem}: {mark.unjudged}"
            for row, mark in pairs
            if mark.unjudged and not mark.override
        ],
        "a fact was taken on trust": [
            f"{row.student.student}, {mark.problem}: {', '.join(mark.grade.under.trusted)}"
            for row, mark in pairs
            if mark.grade.under.trusted
        ],
        "late": [line for row in marks for line in _late(row)],
        "points by hand": [
            f"{row.student.student}, {mark.problem}: {shown(mark.points)}"
            + (f" instead of {shown(mark.by_checks)}" if mark.grade and not mark.unread else "")
            + f". {sentence(mark.override.reason)}"
            for row in marks
            for mark in row.by_problem.values()
            if mark.override
        ],
        "a note on what arrived": [
            f"{row.student.student}: {'; '.join(notes)}" for row in marks if (notes := _notes(row))
        ],
    }
    return ((what, whom) for what, listed in found.items() if (whom := tuple(map(str, listed))))


def _late(row: Marks) -> list[str]:
    """One line for all that came late by the same time."""
    told: dict[str, list[str]] = {}
    for mark in row.by_problem.values():
        if mark.grade and mark.late:
            told.setdefault(sentence(mark.late.told), []).append(str(mark.problem))
    return [f"{row.student.student}, {', '.join(problems)}: {said}" for said, problems in told.items()]


def _notes(row: Marks) -> list[str]:
    """The notes but that on what is late, where that is told of each problem."""
    return [
        note for note in row.student.notes if note != LATE or not any(mark.late for mark in row.by_problem.values())
    ]


def _mixed(marks: Sequence[Marks]) -> Iterable[str]:
    """Problems whose verdicts were not all given under the same checks: by another course, or by another key to the
    same inputs. Other inputs have another key anyway."""
    courses, keys = defaultdict(set), defaultdict(set)
    for row in marks:
        for problem, mark in row.by_problem.items():
            if mark.grade and mark.grade.under.key:
                under = mark.grade.under
                courses[problem].add(under.course)
                keys[problem, under.seed].add((under.key, under.course))
    versions = {
        problem: max(len(known), *(len(found) for (of, _), found in keys.items() if of == problem))
        for problem, known in courses.items()
    }
    return (
        f"{problem}: verdicts were given under {number} versions of the course; --regrade shows what would change"
        for problem, number in versions.items()
        if number > 1
    )


# As a page


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
        _details(problem, _links(told.rows, problem.number))
        for problem in told.problems
        if problem.mistakes or problem.unnamed
    ]
    parts += [tag("h2", "What went wrong at each problem"), *details] if details else []
    parts += [tag("h2", "Similar submissions"), _pairs(told.pairs, told.similar)] if told.pairs is not None else []
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
    links = _links(told.rows)
    return tag(
        "ol",
        *(_misconception(found, told.handed_in, links, f" · at {_and(found.problems)}") for found in told.teach),
        class_="bars",
    )


def _misconception(found: Misconception, of: int, links: Mapping[str, Markup], at: str = "") -> Markup:
    """A misconception with who has it. Its bar is their part of those who handed in, so that one student of many is
    never a full one."""
    number = len(found.students)
    told = f"{number} of {count(of, 'student')}"
    return tag(
        "li",
        tag("div", tag("strong", spoken(found.name)), tag("span", f"{told}{at}", class_="points"), class_="head"),
        _bar([("bar", number)], of, told),
        tag("p", prose(found.sentence)),
        _who([links[one] for one in links if one in found.students]),
    )


def _who(names: Sequence[Markup]) -> Markup:
    """A few names as they are, many folded."""
    listed = join(*(part for name in names for part in (", ", name)))[2:]
    if len(names) <= NAMED:
        return tag("p", Markup(listed), class_="faint small")
    return tag("details", tag("summary", count(len(names), "student")), tag("p", Markup(listed)), class_="faint small")


def _links(rows: Sequence[Marks], problem: int | None = None) -> dict[str, Markup]:
    """Everybody's name, by key and in order, as a link to the page of feedback, and there to a problem."""
    at = f"#p{problem}" if problem else ""
    return {
        row.student.student: tag("a", tag("bdi", _name(row)), href=f"feedback/{quote(row.student.student)}.html{at}")
        for row in rows
    }


def _students(told: Report, grading: Grading) -> Markup:
    """Everybody's points at each problem. Each leads to what the student reads about it."""
    links = _links(told.rows)
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
    share = f" ({_percent(passed, problem.handed_in)})" if problem.handed_in > FEW else ""
    share = f"{passed} of {problem.handed_in} passed{share}{tries}" if problem.handed_in else "nobody handed it in"
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
            f"Students by points. The mean is {shown(statistics.fmean(totals))}, the median "
            f"{shown(statistics.median(totals))}.",
            class_="faint small",
        ),
    )


def _details(problem: ProblemReport, links: Mapping[str, Markup]) -> Markup:
    parts = [tag("h3", f"{problem.number} · {problem.title}", id=f"p{problem.number}")]
    if problem.mistakes:
        parts.append(
            tag("ol", *(_misconception(found, problem.handed_in, links) for found in problem.mistakes), class_="bars")
        )
    if problem.unnamed:
        rows = [tag("tr", tag("td", why), tag("td", number, class_="number")) for why, number in problem.unnamed]
        head = tag(
            "tr",
            tag("th", "without a known mistake, by the first failing check", scope="col"),
            tag("th", "students", scope="col", class_="number"),
        )
        parts.append(tag("table", tag("thead", head), tag("tbody", *rows), class_="list"))
    return tag("section", *parts)


def _pairs(pairs: Sequence[Pair], similar: str) -> Markup:
    rows = [
        tag(
            "tr",
            tag("td", tag("bdi", pair.one), " and ", tag("bdi", pair.other)),
            tag("td", pair.problem, class_="number"),
            tag("td", f"{100 * pair.share:.0f} %", class_="number"),
        )
        for pair in pairs
    ]
    head = tag(
        "tr",
        tag("th", "students", scope="col"),
        tag("th", "problem", scope="col", class_="number"),
        tag("th", "alike", scope="col", class_="number"),
    )
    return join(
        tag("table", tag("thead", head), tag("tbody", *rows), class_="list")
        if pairs
        else tag("p", "No two answers are alike."),
        tag("p", tag("a", "side by side", href=similar)) if pairs else "",
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


def _and(numbers: Sequence[int]) -> str:
    return " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))


def _alike(told: Report) -> str:
    """How many pairs of answers are alike, of whom the first are, and where they stand."""
    if not told.pairs:
        return "alike: no two answers"
    first = ", ".join(f"{pair.one} and {pair.other} at {pair.problem}" for pair in told.pairs[:ALIKE])
    more = f" and {len(told.pairs) - ALIKE} more" if len(told.pairs) > ALIKE else ""
    return f"alike: {count(len(told.pairs), 'pair')} of answers: {first}{more}; side by side in {told.similar}"


# In the terminal


def summary(console, told: Report, grading: Grading) -> None:
    """A dozen lines or so: how many handed in, what they passed, what to teach next, what to look at."""
    with trimmed(console):
        _summary(console, told, grading)


def _summary(console, told: Report, grading: Grading) -> None:
    from rich.table import Table
    from rich.text import Text

    middle = f", median {shown(statistics.median(told.totals))} of {shown(grading.maximum)}" if told.totals else ""
    console.print(
        Text(
            f"{told.handed_in} of {count(told.students, 'student')} handed in; {told.solved} passed everything{middle}"
        )
    )
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for problem in told.problems:
        passed, there = problem.ends["passed"], problem.handed_in
        filled = round(20 * passed / there) if there else 0
        table.add_row(
            Text(str(problem.number), "bold"),
            Text(problem.title, overflow="ellipsis", no_wrap=True),
            Text("█" * filled, "green") + Text("░" * (20 - filled), "dim"),
            Text(f"{passed} of {there} passed", no_wrap=True),
        )
    if told.problems:
        console.print(table)
    for index, found in enumerate(told.teach[:TEACH]):
        console.print(
            Text(
                f"{'teach next: ' if not index else ' ' * 12}{spoken(found.name)}, "
                f"{count(len(found.students), 'student')} at {_and(found.problems)}"
            )
        )
    if told.pairs is not None:
        console.print(Text(_alike(told)))
    if told.waived:
        console.print(Text(f"waived: {', '.join(told.waived)}", "yellow"))
    for line in (*told.warnings, *told.versions):
        console.print(Text(line, "yellow"))
    if told.look:
        console.print(Text("to look at: " + "; ".join(f"{what} ({len(whom)})" for what, whom in told.look)))
