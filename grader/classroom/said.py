"""What a class run says at its end."""

from __future__ import annotations

from grader.classroom.arrivals.arrivals import Arrivals
from grader.classroom.book.rules import Grading
from grader.classroom.orders import Orders, Tally
from grader.classroom.pages.overview import Report
from grader.classroom.pages.summary import summary
from grader.report.words import count

FAULTS = 10  # how many are listed


def tell(
    orders: Orders, handed_in: Arrivals, report: Report, grading: Grading, tally: Tally, stale: bool, console
) -> None:
    """`stale` says that verdicts were given by other checks than those of now."""
    from rich.text import Text

    told = [
        f"{count(tally.graded, 'verdict')} given" + (f", {tally.kept} kept from earlier runs" if tally.kept else "")
    ]
    told += [f"{tally.unread} could not be read"] if tally.unread else []
    console.print(Text("; ".join(told)))
    summary(console, report, grading)
    for note in handed_in.notes:
        console.print(Text(f"note: {note}", "dim"), soft_wrap=True)
    for name, seen in tally.missing.items():
        console.print(Text(f"graded without the limit {name!r}: {seen}", "yellow"), soft_wrap=True)
    for wanted, why in tally.faults[:FAULTS]:
        console.print(Text(f"not graded: {wanted.student}, problem {wanted.problem}: {why}", "red"), soft_wrap=True)
    if tally.faults:
        console.print(
            f"{count(len(tally.faults), 'verdict')} missing, by no student's fault; the same command tries again"
        )
    if tally.unasked:
        numbers = ",".join(map(str, sorted({one.problem for one in tally.unasked})))
        console.print(
            f"not graded yet, since this run was asked for other problems: {count(len(tally.unasked), 'answer')}; "
            f"--problems {numbers} grades the rest",
            soft_wrap=True,
        )
    if tally.proposed and not orders.regrade:
        console.print(f"waiting for --accept or --discard: {count(tally.proposed, 'proposed verdict')}")
    if tally.unjudged:
        console.print(
            f"{count(tally.unjudged, 'file')} could not be checked, since the grader failed: the report says which "
            f"and how; once it is mended, --regrade checks again"
        )
    if stale:
        console.print("some verdicts were given by other checks than those of now; --regrade shows what would change")
    console.print(
        Text(
            f"next: open {orders.out / 'report.html'}; grades are in {orders.out / 'grades.csv'}, a page for each "
            f"student in {orders.out / 'feedback'}"
            + (f", answers that are alike in {orders.out / report.similar}" if report.alike else "")
        ),
        soft_wrap=True,
    )
