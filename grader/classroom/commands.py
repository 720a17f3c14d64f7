"""The commands that grade a class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grader.course.problem import course_root
from grader.course.select import UsageError, console_for, every_problem, need, select
from grader.report.words import COMMAND


def add_to(command: Callable) -> None:
    """Adds them to the command line; `command(name, run, help, ...)` makes a parser."""
    grading = command(
        "class",
        _class,
        "for instructors: grade a folder of submissions",
        "Grades what students handed in: a folder with a folder or zip for each, or the download of Canvas, Moodle or "
        "GitHub Classroom. Each file runs in a\n"
        "sandbox of its own, on inputs drawn from a secret seed. RESULTS gets the gradebook, grades.csv, a page of "
        "feedback for each student and report.html.\n"
        "Stopped at any moment, the same command goes on where it was. Needs Linux, bubblewrap, and the extra class: "
        "pip install -e '.[class]'.",
        epilog=f"example: {COMMAND} class submissions --out results --problems 31-35 --roster canvas-gradebook.csv",
    )
    grading.add_argument(
        "submissions",
        type=Path,
        metavar="SUBMISSIONS",
        help="the folder of submissions, or the download as a zip; it is only read",
    )
    grading.add_argument(
        "--out", type=Path, required=True, metavar="RESULTS", help="a new folder, or that of an earlier run"
    )
    grading.add_argument("--problems", nargs="+", default=["all"], metavar="N", help="31, 31-33 or all (the default)")
    grading.add_argument(
        "--roster",
        type=Path,
        metavar="CSV",
        help="the export of Canvas's gradebook, Moodle's worksheet or GitHub Classroom's roster: it is filled, and "
        "who is missing is listed",
    )
    grading.add_argument(
        "--assignment", metavar="NAME", help="what the roster calls the column to fill, such as 'Attention (1234)'"
    )
    grading.add_argument(
        "--scale",
        action="store_true",
        help="fill the roster out of the points that its system counts the assignment out of, where the totals are "
        "out of others",
    )
    grading.add_argument("--similar", action="store_true", help="also report suspiciously similar answers")
    grading.add_argument(
        "--look",
        action="store_true",
        help="only say what arrived: who handed in what, what cannot be read, who is missing; nothing is graded",
    )
    change = grading.add_mutually_exclusive_group()
    change.add_argument(
        "--regrade",
        action="store_true",
        help="grade again what was graded by other checks than now, and show whose grade would change; none changes",
    )
    change.add_argument("--accept", action="store_true", help="let the verdicts that --regrade proposed count")
    change.add_argument("--discard", action="store_true", help="forget the verdicts that --regrade proposed")
    grading.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="LIMIT",
        help="go on without a limit that this machine cannot give; it is named in the results",
    )
    grading.add_argument(
        "--cores", type=int, metavar="N", help="how many to grade at a time (default: the cores of this machine)"
    )
    grading.add_argument(
        "--dask", default="", metavar="ADDRESS", help="have a Dask cluster grade: the address of its scheduler"
    )
    grading.add_argument(
        "--json",
        action="store_true",
        help="print the results as JSON (documented in grader/classroom/pages/class.schema.json)",
    )

    by_hand = command(
        "override",
        _override,
        "for instructors: give a student points by hand, with a reason",
        epilog=f'example: {COMMAND} override results ada 33 0.5 --reason "right idea, transposed at the end"',
    )
    by_hand.add_argument("out", type=Path, metavar="RESULTS", help="the results of a class run")
    by_hand.add_argument(
        "student",
        metavar="STUDENT",
        help="the key in grades.csv, or a login, a number or a name, also of who is only on the roster",
    )
    by_hand.add_argument("problem", type=int, metavar="N")
    by_hand.add_argument(
        "points", metavar="POINTS", help="out of the problem's weight; `none` takes an earlier override back"
    )
    by_hand.add_argument("--reason", required=True, help="what the student reads, and whoever hears a complaint")

    scope = command(
        "gradescope",
        _gradescope,
        "for instructors: build a Gradescope autograder",
        "Builds the zip that Gradescope asks for: the grader, the problems and their answer keys for inputs drawn "
        "from a secret seed, without any solution.\n"
        "A submission is graded there as in a class run; the limits that Gradescope's container cannot give are told "
        "to instructors with each grade.",
        epilog=f"example: {COMMAND} gradescope autograder.zip --problems 31-35",
    )
    scope.add_argument("out", type=Path, metavar="OUT.zip")
    scope.add_argument("--problems", nargs="+", default=["all"], metavar="N", help="31, 31-33 or all (the default)")


def _class(options) -> int:
    import sys

    if not sys.platform.startswith("linux") and not options.dask and not options.look:
        raise UsageError(
            "a class is graded on Linux: elsewhere there is no sandbox for untrusted work. Grade in a container, or "
            "on a cluster with --dask"
        )
    if not options.look:
        need("class", "distributed" if options.dask else "landlockpy", *(["copydetect"] if options.similar else []))
    if options.cores is not None and options.cores < 1:
        raise UsageError("--cores is at least 1")
    from grader.classroom.look import look
    from grader.classroom.orders import Orders
    from grader.classroom.run import run_class

    everything = every_problem()
    orders = Orders(
        options.submissions,
        options.out,
        select(options.problems, everything),
        everything,
        options.without,
        options.roster,
        options.regrade,
        options.accept,
        options.discard,
        options.similar,
        options.assignment or "",
        options.scale,
        options.cores,
        options.dask,
        options.json,
    )
    if options.look:
        return look(orders, console_for())
    return run_class(course_root(), orders, console_for(stderr=options.json))


def _override(options) -> int:
    from grader.classroom.results import override

    try:
        points = None if options.points == "none" else float(options.points)
    except ValueError as error:
        raise UsageError(f"{options.points!r} are no points: give a number, or `none`") from error
    return override(
        options.out, every_problem(), options.student, options.problem, points, options.reason, console_for()
    )


def _gradescope(options) -> int:
    from grader.classroom.gradescope import gradescope

    return gradescope(course_root(), select(options.problems, every_problem()), options.out, console_for())
