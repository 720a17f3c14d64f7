"""The commands that only authors and instructors have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grader.choose import UsageError, console_for, every_problem, need, select
from grader.problem import course_root
from grader.report.words import COMMAND


def add_to(command: Callable) -> None:
    """Adds them to the command line; `command(name, run, help, ...)` makes a parser."""
    verify = command("verify", _verify, "for authors: prove that the problems, their right answers and their mistakes hold together")
    verify.add_argument("problems", nargs="*", default=["all"], help="31, 31-33 or all (the default)")

    new = command("new", _new, "for authors: scaffold both halves of a problem", epilog=f"example: {COMMAND} new 41 rope")
    new.add_argument("number", type=int)
    new.add_argument("topic", help="lower-case words joined by _: rope, sliding_window")

    publish = command("publish", _publish, "for authors: make notebooks, a site and single pages from the lessons",
                      "Runs the lessons that changed, and makes what is asked for from them. A lesson that fails to run fails the build. Needs the extra\n"
                      "publish: pip install -e '.[publish]'. What ran is kept in .grader/, so that the next build runs only the lessons that changed.",
                      epilog=f"example: {COMMAND} publish --notebooks --site public")
    publish.add_argument("--notebooks", action="store_true", help="write the students' notebooks into notebooks/")
    publish.add_argument("--check", action="store_true", help="say which notebooks do not match their lesson, stub or hints; nothing is run or written")
    publish.add_argument("--picture", action="store_true", help="draw the verdict that README.md begins with anew")
    publish.add_argument("--site", type=Path, metavar="OUT", help="build the site into this folder, which is emptied when an earlier build wrote it")
    publish.add_argument("--html", type=Path, metavar="OUT", help="write each lesson as one HTML file that needs no other, for a learning-management system")
    publish.add_argument("--solutions", action="store_true", help="the site as the instructors' edition: with references, mistakes and other styles")

    release = command("release", _release, "for instructors: write the students' course, without any solution",
                      "Writes the course that students get: lessons, stubs, checks, answer keys, notebooks and the grader, without solutions/. Into an earlier\n"
                      "release it writes what is new; a file that a student has changed is left as it is.", epilog=f"example: {COMMAND} release ../course --problems 31-35")
    release.add_argument("out", type=Path, metavar="OUT", help="an empty folder, or one that an earlier release wrote")
    release.add_argument("--problems", nargs="+", default=["all"], metavar="N", help="31, 31-33 or all (the default)")

    grading = command("class", _class, "for instructors: grade a folder of submissions",
                      "Grades what students handed in: a folder with a folder or zip for each, or the download of Canvas, Moodle or GitHub Classroom. Each file runs in a\n"
                      "sandbox of its own, on inputs drawn from a secret seed. RESULTS gets the gradebook, grades.csv, a page of feedback for each student and report.html.\n"
                      "Stopped at any moment, the same command goes on where it was. Needs Linux, bubblewrap, and the extra class: pip install -e '.[class]'.",
                      epilog=f"example: {COMMAND} class submissions --out results --problems 31-35 --roster canvas-gradebook.csv")
    grading.add_argument("submissions", type=Path, metavar="SUBMISSIONS", help="the folder of submissions, or the download as a zip; it is only read")
    grading.add_argument("--out", type=Path, required=True, metavar="RESULTS", help="a new folder, or that of an earlier run")
    grading.add_argument("--problems", nargs="+", default=["all"], metavar="N", help="31, 31-33 or all (the default)")
    grading.add_argument("--roster", type=Path, metavar="CSV", help="the export of Canvas's gradebook, Moodle's worksheet or GitHub Classroom's roster: it is filled, and who is missing is listed")
    grading.add_argument("--assignment", metavar="NAME", help="what the roster calls the column to fill, such as 'Attention (1234)'")
    grading.add_argument("--scale", action="store_true", help="fill the roster out of the points that its system counts the assignment out of, where the totals are out of others")
    grading.add_argument("--similar", action="store_true", help="also report pairs of suspiciously similar answers")
    change = grading.add_mutually_exclusive_group()
    change.add_argument("--regrade", action="store_true", help="grade again what was graded by other checks than now, and show whose grade would change; none changes")
    change.add_argument("--accept", action="store_true", help="let the verdicts that --regrade proposed count")
    change.add_argument("--discard", action="store_true", help="forget the verdicts that --regrade proposed")
    grading.add_argument("--without", action="append", default=[], metavar="LIMIT", help="go on without a limit that this machine cannot give; it is named in the results")
    grading.add_argument("--cores", type=int, metavar="N", help="how many to grade at a time (default: the cores of this machine)")
    grading.add_argument("--dask", default="", metavar="ADDRESS", help="have a Dask cluster grade: the address of its scheduler")
    grading.add_argument("--json", action="store_true", help="print the results as JSON (documented in grader/instructor/classroom/class.schema.json)")

    by_hand = command("override", _override, "for instructors: give a student points by hand, with a reason",
                      epilog=f'example: {COMMAND} override results ada 33 0.5 --reason "right idea, transposed at the end"')
    by_hand.add_argument("out", type=Path, metavar="RESULTS", help="the results of a class run")
    by_hand.add_argument("student", metavar="STUDENT", help="the key in grades.csv, or a login, a number or a name, also of who is only on the roster")
    by_hand.add_argument("problem", type=int, metavar="N")
    by_hand.add_argument("points", metavar="POINTS", help="out of the problem's weight; `none` takes an earlier override back")
    by_hand.add_argument("--reason", required=True, help="what the student reads, and whoever hears a complaint")

    scope = command("gradescope", _gradescope, "for instructors: build a Gradescope autograder",
                    "Builds the zip that Gradescope asks for: the grader, the problems and their answer keys for inputs drawn from a secret seed, without any solution.\n"
                    "A submission is graded there as in a class run; the limits that Gradescope's container cannot give are told to instructors with each grade.",
                    epilog=f"example: {COMMAND} gradescope autograder.zip --problems 31-35")
    scope.add_argument("out", type=Path, metavar="OUT.zip")
    scope.add_argument("--problems", nargs="+", default=["all"], metavar="N", help="31, 31-33 or all (the default)")

    bench = command("bench", _bench, "for authors: time the student's loop beside plain pytest, as ratios within one run")
    bench.add_argument("--rounds", type=int, default=5, help="rounds; each runs every command once (default 5)")
    bench.add_argument("--class", dest="klass", type=int, nargs="?", const=100, metavar="N", help="time a class of N instead (default 100): submissions a minute, sandbox on")
    bench.add_argument("--dask", action="store_true", help="with --class: also with two Dask workers on this machine")
    bench.add_argument("--peer", action="append", default=[], metavar="COMMAND", help="with --class: also this command for each submission, whose path stands for {}")
    bench.add_argument("--soak", type=int, nargs="?", const=1000, metavar="N", help="grade a class of N, a third of it hostile, and kill the run ten times with -9")


def _verify(options) -> int:
    need("author", "jupytext", "nbclient", "ipykernel", "matplotlib")
    from grader.instructor.verify import verify

    return verify(course_root(), select(options.problems, every_problem()), console_for())


def _publish(options) -> int:
    from grader.instructor.publish import publish, stale

    if options.solutions and not options.site:
        raise UsageError("--solutions is an edition of the site: add --site OUT")
    problems, root = every_problem(), course_root()
    if options.check and (options.notebooks or options.picture or options.site or options.html):
        raise UsageError("--check makes nothing: leave it out, or leave out what is to be made")
    if options.check:
        need("publish", "jupytext", "nbformat")
        faults = stale(root, problems)
        print("\n".join([*faults, f"{COMMAND} publish --notebooks makes them anew"]) if faults else "every notebook matches its lesson, stub and hints")
        return 2 if faults else 0
    if options.picture:
        from grader.instructor.readme import draw

        draw(root, problems, console_for())
    if not (options.notebooks or options.site or options.html):
        if options.picture:
            return 0
        raise UsageError("say what to make: --notebooks, --picture, --site OUT or --html OUT")
    return publish(root, problems, console_for(), into_notebooks=options.notebooks, site=options.site, html=options.html, solutions=options.solutions)


def _release(options) -> int:
    from grader.instructor.release import release

    return release(course_root(), select(options.problems, every_problem()), options.out, console_for())


def _class(options) -> int:
    import sys

    if not sys.platform.startswith("linux") and not options.dask:
        raise UsageError("a class is graded on Linux: elsewhere there is no sandbox for untrusted work. Grade in a container, or on a cluster with --dask")
    need("class", "distributed" if options.dask else "landlockpy", *(["copydetect"] if options.similar else []))
    if options.cores is not None and options.cores < 1:
        raise UsageError("--cores is at least 1")
    from grader.instructor.classroom.run import Orders, run_class

    everything = every_problem()
    orders = Orders(options.submissions, options.out, select(options.problems, everything), everything, options.without, options.roster, options.regrade, options.accept,
                    options.discard, options.similar, options.assignment or "", options.scale, options.cores, options.dask, options.json)
    return run_class(course_root(), orders, console_for(stderr=options.json))


def _override(options) -> int:
    from grader.instructor.classroom.results import override

    try:
        points = None if options.points == "none" else float(options.points)
    except ValueError as error:
        raise UsageError(f"{options.points!r} are no points: give a number, or `none`") from error
    return override(options.out, every_problem(), options.student, options.problem, points, options.reason, console_for())


def _gradescope(options) -> int:
    from grader.instructor.classroom.gradescope import gradescope

    return gradescope(course_root(), select(options.problems, every_problem()), options.out, console_for())


def _new(options) -> int:
    from grader.instructor.new import scaffold

    return scaffold(course_root(), options.number, options.topic, console_for())


def _bench(options) -> int:
    if options.soak:
        need("class", "landlockpy")
        from grader.instructor.soak import soak

        return soak(course_root(), options.soak, console_for())
    if options.klass:
        need("class", "landlockpy", *(["distributed"] if options.dask else []))
        from grader.instructor.bench_class import bench_class

        return bench_class(course_root(), options.klass, options.peer, options.dask, console_for())
    from grader.instructor.bench import bench

    return bench(course_root(), options.rounds, console_for())
