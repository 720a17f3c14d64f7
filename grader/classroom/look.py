"""What arrived, before anything is graded: who handed in what, what cannot be read, and what an instructor should know
of it. Nothing is run, and nothing is written."""

from __future__ import annotations

from collections import Counter

from grader.classroom.arrivals.arrivals import arrivals
from grader.classroom.arrivals.submission import Submission
from grader.classroom.book import groups
from grader.classroom.book.roster_file import read_roster
from grader.classroom.book.rules import NAME, read_grading
from grader.classroom.orders import Orders
from grader.report.terminal import trimmed
from grader.report.words import count, sentence


def look(orders: Orders, console) -> int:
    """Prints a row for each submission, and how many answers there are to each problem; returns 0."""
    from rich.table import Table
    from rich.text import Text

    roster = read_roster(orders.roster) if orders.roster else None
    handed_in = arrivals(orders.submissions, orders.everything, orders.problems)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("student", "can be graded", "to know"):
        table.add_column(column, overflow="fold")
    asked, answers = {problem.number for problem in orders.problems}, Counter()
    for submission in handed_in:
        pieces = [piece for piece in submission.pieces.values() if piece.problem in asked and not piece.trouble]
        readable = sorted(piece.problem for piece in pieces)
        answers.update(readable)
        cells = submission.name or submission.student, ", ".join(map(str, readable)) or "–", _told(submission)
        table.add_row(*map(Text, cells))
    with trimmed(console):
        console.print(table)
    rules = orders.out / NAME
    shared = read_grading(rules, orders.problems, orders.everything).groups if rules.exists() else {}
    matched = roster.matched(groups.spread(handed_in.people(), shared)) if roster else None
    apart = matched.apart() if matched else {}
    for line in (
        *(f"{what}: {', '.join(whom)}" for what, whom in apart.items() if whom),
        *(f"note: {note}" for note in handed_in.notes),
    ):
        console.print(Text(line), soft_wrap=True)
    of_each = ", ".join(f"{answers[number]} to {number}" for number in sorted(answers))
    console.print(
        Text(
            f"{count(len(handed_in), 'submission')}, {count(answers.total(), 'answer')}"
            + (f": {of_each}" if of_each else "")
            + ". Nothing was graded; the same command without --look grades it."
        ),
        soft_wrap=True,
    )
    return 0


def _told(submission: Submission) -> str:
    troubles = [piece.trouble for piece in submission.pieces.values()]
    told = dict.fromkeys(filter(None, (submission.trouble, *troubles, *submission.notes)))
    return "\n".join(map(sentence, told))
