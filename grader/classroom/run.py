"""Grades a class: what arrived is looked at, what is new is graded, and everything that follows from the gradebook is
written.

At any moment the run can be stopped, or killed. The same command goes on where it was: a verdict that is in the
gradebook stays, one that is not is made.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from grader.classroom.arrivals.arrivals import Arrivals, arrivals, two_numbers
from grader.classroom.arrivals.commits import Commits
from grader.classroom.arrivals.submission import LATE, Piece, Submission
from grader.classroom.book.entries import Grade, Record, Wanted, digest_of
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.late import CANVAS, GIT, Came
from grader.classroom.book.rules import NAME as RULES
from grader.classroom.book.rules import read_grading
from grader.classroom.book.unread import unread
from grader.classroom.orders import Orders, Tally
from grader.course.problem import CourseError, Problem
from grader.course.select import UsageError
from grader.key.answers import key_digest
from grader.report import machine
from grader.report.words import count

if TYPE_CHECKING:
    from grader.classroom.grading.exam import Exam

# the setting that holds which entries of the folder each key has stood for
ENTRIES = "entries"
CHANGED = "it changed while the class was graded"


def run_class(root: Path, orders: Orders, console) -> int:
    """Returns 0 when everything that arrived has a verdict, 2 when something kept some of it from getting one, by no
    student's fault."""
    from grader.classroom.book.roster_file import read_roster
    from grader.classroom.results import ASSIGNMENT, write_results
    from grader.classroom.walls.walls import known

    known(orders.waived)
    out, inside = orders.out.resolve(), orders.submissions.resolve()
    if out == inside or out.is_relative_to(inside):
        raise UsageError(f"the results would lie among the submissions: name a folder outside of {orders.submissions}")
    assignment = orders.assignment or ASSIGNMENT
    roster = read_roster(orders.roster) if orders.roster else None
    if roster:
        roster.column(assignment)  # what is wrong with it is told before the class is graded
    handed_in = arrivals(orders.submissions, orders.everything, orders.problems)
    _make(orders.out)
    rules = orders.out / RULES
    new = not rules.exists()
    grading = read_grading(rules, orders.problems, orders.everything)
    if new:
        console.print(
            f"{rules} is written: what each problem is worth, partial credit, late work, groups. Change it now or "
            f"later, and run the same command again: nothing is graded anew",
            markup=False,
            soft_wrap=True,
        )
    tally = Tally()
    with Gradebook(orders.out / NAME) as book:
        if gone := book.withdraw(*_checks(orders.everything)):
            console.print(
                f"{count(gone, 'proposed verdict')} forgotten: the checks changed after --regrade, which proposes anew"
            )
        if orders.discard:
            console.print(f"{count(book.discard(), 'proposed verdict')} forgotten")
        if orders.accept:
            console.print(f"{count(book.accept(), 'proposed verdict')} accepted")
        weighed = [problem for problem in orders.everything if problem.number in grading.weights]
        asked = {problem.number for problem in orders.problems}
        found = _note(handed_in, book, orders.submissions, weighed, tally, asked)
        tally.unasked = [one for one in found if one.problem not in asked]
        missing = [one for one in found if one.problem in asked]
        ungraded = _grade(root, orders, book, missing, handed_in, tally, console)
        if orders.regrade:
            _propose(root, orders, book, grading, tally, console)
        found, report = write_results(
            orders.out,
            weighed,
            book,
            grading,
            handed_in,
            inside,
            roster=roster,
            assignment=assignment,
            scaled=orders.scaled,
            similar=orders.similar,
            ungraded=ungraded,
            unasked={(one.student, one.problem) for one in tally.unasked},
        )
        tally.proposed = len(book.proposals())
        outdated = [] if orders.regrade else book.outdated(*_checks(orders.problems))
        stale, tally.unjudged = (
            any(not grade.unjudged for grade in outdated),
            sum(bool(mark.unjudged) for row in found for mark in row.by_problem.values()),
        )
    if orders.json:
        from grader.classroom.pages.machine import class_report

        print(json.dumps(class_report(found, grading, report, tally), indent=1))
    else:
        from grader.classroom.said import tell

        tell(orders, handed_in, report, grading, tally, stale, console)
    return 2 if tally.faults else 0


def _make(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; the results need a folder")
    # such is all that a run leaves which is killed at its first file
    others = out.is_dir() and any(not path.match("tmp*.tmp") for path in out.iterdir())
    if others and not (out / NAME).exists() and not (out / RULES).exists():
        raise UsageError(
            f"{out} holds something that is no gradebook; name an empty folder, or one that an earlier run wrote"
        )
    out.mkdir(parents=True, exist_ok=True)


def _note(
    handed_in: Arrivals,
    book: Gradebook,
    folder: Path,
    problems: list[Problem],
    tally: Tally,
    asked: Collection[int] | None = None,
) -> list[Wanted]:
    """Notes what arrived for the problems, and gives what of it has no verdict yet. What could not be read gets its
    verdict here, since nothing of it is run; but where a problem is not among those `asked` for, it takes the place of
    no verdict that there is."""
    book.set(ENTRIES, json.dumps(handed_in.keep(json.loads(book.setting(ENTRIES, "{}"))), sort_keys=True))
    numbers = {problem.number: problem for problem in problems}
    people, wanted, came = [], [], book.came()
    kept = {(one.student, one.problem) for one in book.grades() if asked is not None and one.problem not in asked}
    with Commits() as commits:
        for submission in handed_in:
            people.append(replace(submission, pieces={}))
            for piece in submission.pieces.values():
                if piece.problem not in numbers:
                    continue
                one = Wanted(submission.student, piece.problem, digest_of(piece))
                if one not in came and (told := _came(submission, piece, folder, commits)):
                    came[one] = told
                if not piece.trouble or (one.student, one.problem) in kept:
                    wanted.append(one)
                elif book.handed_in([one]):
                    book.record(
                        Record(one, machine.data(unread(numbers[piece.problem], piece)), piece.content, piece.place)
                    )
                    tally.unread += 1
    book.note(came)
    book.arrived(people)
    handed_in.notes += tuple(two_numbers(book.students()))
    missing = book.handed_in(wanted)
    tally.kept = len(wanted) - len(missing)
    return missing


def _came(submission: Submission, piece: Piece, folder: Path, commits: Commits) -> Came | None:
    """When a piece came, by what it came in: the commits of a clone, or the name in Canvas's download, which tells what
    is late."""
    if "repository" in submission.ids:
        at = commits.when(submission.history or folder / submission.ids["repository"], piece.place)
        return Came(GIT, at) if at else None
    if "canvas_id" in submission.ids or LATE in submission.notes:
        return Came(CANVAS, late=LATE in submission.notes)
    return None


def _grade(
    root: Path, orders: Orders, book: Gradebook, missing: list[Wanted], handed_in: Arrivals, tally: Tally, console
) -> set[tuple[str, int]]:
    """Grades what has no verdict yet, and gives whose work for which problem still has none then."""
    if not missing:
        return set()
    from grader.classroom.grading.hands import Job

    todo = {*missing}

    def jobs() -> Iterator[Job]:
        students = {one.student for one in todo}
        for index, person in enumerate(handed_in.people()):
            if person.student in students:
                for piece in handed_in[index].pieces.values():
                    one = Wanted(person.student, piece.problem, digest_of(piece))
                    if one in todo:
                        yield Job(one, piece.content, piece.place)

    def write_down(record: Record) -> None:
        tally.graded += book.record(record)

    _work(root, orders, book.seed, Counter(one.problem for one in missing), jobs(), write_down, tally, console)
    # whatever kept others from their verdict: what was seen of these inputs helps nobody who hands in again
    if tally.graded:
        book.next_round()
    left, known = [one for one in missing if not book.graded(one)], {wanted for wanted, _ in tally.faults}
    tally.faults += [(one, CHANGED) for one in left if one not in known]
    return {(one.student, one.problem) for one in left}


def _propose(root: Path, orders: Orders, book: Gradebook, grading, tally: Tally, console) -> None:
    """Grades again what was graded by other checks, without changing a grade, and shows what would change."""
    from grader.classroom.book.marks import changes
    from grader.classroom.grading.hands import Job
    from grader.classroom.results import properties_of_all, show_changes

    outdated = book.outdated(*_checks(orders.problems))
    for seed in dict.fromkeys(grade.under.seed for grade in outdated):  # on the inputs that it had
        mine = [grade for grade in outdated if grade.under.seed == seed]
        jobs = (
            Job(Wanted(grade.student, grade.problem, grade.digest), book.content(grade.digest) or b"", grade.place)
            for grade in mine
        )
        _work(
            root,
            orders,
            seed,
            Counter(grade.problem for grade in mine),
            jobs,
            lambda record: book.record(record, proposed=True),
            tally,
            console,
        )
    show_changes(changes(book, grading, properties_of_all(orders.problems)), orders.out, console)


def _checks(problems: list[Problem]) -> tuple[Callable[[Grade], str | None], str]:
    """The checks of now, as the gradebook asks for them: what gives the digest of a grade's key, or None where its
    problem is not among these, and the course."""
    from grader.classroom.grading.exam import course_version

    by_number = {problem.number: problem for problem in problems}
    digest = functools.cache(lambda number, seed: key_digest(by_number[number], seed))
    return (
        lambda grade: digest(grade.problem, grade.under.seed) if grade.problem in by_number else None,
        course_version(),
    )


def _work(
    root: Path,
    orders: Orders,
    seed: int,
    wanted: Counter[int],
    jobs: Iterable,
    write_down: Callable,
    tally: Tally,
    console,
) -> None:
    """Has the jobs done, and writes each verdict down as it comes. `wanted` says how many there are of each problem."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from grader.classroom.grading.hands import each_done

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task("getting ready", total=wanted.total())
        begun = set()

        def at(text: str) -> None:
            """Says what is done now. Where no bar can move, each stage is one line when it begins."""
            progress.update(task, description=text)
            stage = text.partition(" (")[0]
            if not console.is_terminal and stage not in begun:
                begun.add(stage)
                console.print(stage, markup=False, soft_wrap=True)

        hands = _hands(root, orders, seed, wanted, at)
        tally.missing = hands.missing
        try:
            at(f"grading ({count(wanted.total(), 'answer')})")
            for job, came in each_done(
                hands, jobs, lambda number: at(f"grading alone what was stopped by the clock ({number})")
            ):
                if isinstance(came, CourseError):
                    tally.faults.append((job.wanted, str(came)))
                else:
                    write_down(came)
                progress.advance(task)
        finally:
            hands.close()


def _hands(root: Path, orders: Orders, seed: int, wanted: Counter[int], progress: Callable[[str], None]):
    """Those who grade, with the exams that they need. What this machine cannot give is told first: the exams take
    minutes."""
    from grader.classroom.grading.hands import Hands

    if orders.dask:
        from grader.classroom.grading.cluster import Cluster

        return Cluster(orders.dask, dict(_exams(root, orders, seed, wanted, progress)), seed, waived=orders.waived)
    progress("trying each limit of the sandbox")
    hands = Hands(
        root,
        {},
        seed,
        waived=orders.waived,
        hidden=[orders.out.resolve(), orders.submissions.resolve()],
        cores=orders.cores,
    )
    try:
        hands.exams |= _exams(root, orders, seed, wanted, progress)
    except BaseException:
        hands.close()
        raise
    return hands


def _exams(
    root: Path, orders: Orders, seed: int, wanted: Counter[int], progress: Callable[[str], None]
) -> Iterator[tuple[int, Exam]]:
    """The exam of each problem that somebody's work is for, and the programs that most answers need."""
    from grader.classroom.grading.compiled import compile_ahead
    from grader.classroom.grading.exam import exam_for

    for problem in orders.problems:
        if problem.number in wanted:
            exam = exam_for(problem, seed, progress)
            compile_ahead(root, exam, wanted[problem.number], progress)
            yield problem.number, exam
