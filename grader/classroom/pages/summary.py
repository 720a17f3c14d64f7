"""The class at a glance in the terminal, in a few lines."""

from __future__ import annotations

import statistics

from grader.classroom.book.points import shown
from grader.classroom.book.rules import Grading
from grader.classroom.pages.overview import Report, in_words
from grader.classroom.pages.side_by_side import spelled
from grader.report.terminal import trimmed
from grader.report.words import count, spoken

UNJUDGED = {"open": "unchecked", "unread": "unread"}  # as short as a line of the terminal needs it
TEACH, ALIKE = 3, 3  # misconceptions, and answers that are alike, of which the terminal tells


def _alike(told: Report) -> str:
    """Of whom the first answers are that are alike, and where they stand."""
    if not told.alike:
        return "alike: no two answers"
    lines = [f"{spelled(one.students, told.names, most=4)} at {one.problem}" for one in told.alike[:ALIKE]]
    more = f"; and {len(told.alike) - ALIKE} times more" if len(told.alike) > ALIKE else ""
    return f"alike: {'; '.join(lines)}{more}; side by side in {told.similar}"


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
    for whole in (True, False, True, True):  # only the title gives way where a line is too long
        table.add_column(no_wrap=whole)
    for problem in told.problems:
        passed, there = problem.ends["passed"], problem.judged
        filled = round(20 * passed / there) if there else 0
        table.add_row(
            Text(str(problem.number), "bold"),
            Text(problem.title, overflow="ellipsis", no_wrap=True),
            Text("█" * filled, "green") + Text("░" * (20 - filled), "dim"),
            Text(f"{passed} of {there} passed{problem.unjudged(UNJUDGED)}", no_wrap=True),
        )
    if told.problems:
        console.print(table)
    for index, found in enumerate(told.teach[:TEACH]):
        console.print(
            Text(
                f"{'teach next: ' if not index else ' ' * 12}{spoken(found.name)}, "
                f"{count(len(found.students), 'student')} at {in_words(found.problems)}"
            )
        )
    if told.alike is not None:
        console.print(Text(_alike(told)))
    if told.waived:
        console.print(Text(f"waived: {', '.join(told.waived)}", "yellow"))
    for line in (*told.warnings, *told.versions):
        console.print(Text(line, "yellow"))
    if told.look:
        console.print(Text("to look at: " + "; ".join(f"{what} ({len(whom)})" for what, whom in told.look)))
