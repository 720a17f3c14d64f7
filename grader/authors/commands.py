"""The commands that make and check the course."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grader.course.problem import course_root
from grader.course.select import UsageError, console_for, every_problem, need, select
from grader.report.words import COMMAND


def add_to(command: Callable) -> None:
    """Adds them to the command line; `command(name, run, help, ...)` makes a parser."""
    verify = command(
        "verify", _verify, "for authors: prove that the problems, their right answers and their mistakes hold together"
    )
    verify.add_argument("problems", nargs="*", default=["all"], help="31, 31-33 or all (the default)")
    verify.add_argument(
        "--all", dest="anew", action="store_true", help="also what was verified before and has not changed since"
    )
    verify.add_argument(
        "--since",
        metavar="COMMIT",
        help="only what could have changed since a commit, and a few of the rest, other ones with each commit",
    )
    verify.add_argument(
        "--at-most",
        type=int,
        metavar="N",
        help="with --since: so many problems stand for all, new ones first; other ones with each commit",
    )

    new = command(
        "new", _new, "for authors: scaffold both halves of a problem", epilog=f"example: {COMMAND} new 41 rope"
    )
    new.add_argument("number", type=int)
    new.add_argument("topic", help="lower-case words joined by _: rope, sliding_window")

    publish = command(
        "publish",
        _publish,
        "for authors: make notebooks, a site and single pages from the lessons",
        "Runs the lessons that changed, and makes what is asked for from them. A lesson that fails to run fails the "
        "build. Needs the extra\n"
        "publish: pip install -e '.[publish]'. What ran is kept in .grader/, so that the next build runs only the "
        "lessons that changed.",
        epilog=f"example: {COMMAND} publish --notebooks --site public",
    )
    publish.add_argument("--notebooks", action="store_true", help="write the students' notebooks into notebooks/")
    publish.add_argument(
        "--check",
        action="store_true",
        help="say which notebooks do not match their lesson, stub or hints; nothing is run or written",
    )
    publish.add_argument("--picture", action="store_true", help="draw the verdict that README.md begins with anew")
    publish.add_argument(
        "--site",
        type=Path,
        metavar="OUT",
        help="build the site into this folder, which is emptied when an earlier build wrote it",
    )
    publish.add_argument(
        "--html",
        type=Path,
        metavar="OUT",
        help="write each lesson as one HTML file that needs no other, for a learning-management system",
    )
    publish.add_argument(
        "--solutions",
        action="store_true",
        help="the site as the instructors' edition: with references, mistakes and other styles",
    )

    release = command(
        "release",
        _release,
        "for instructors: write the students' course, without any solution",
        "Writes the course that students get: lessons, stubs, checks, answer keys, notebooks and the grader, without "
        "solutions/. Into an earlier\n"
        "release it writes what is new; a file that a student has changed is left as it is.",
        epilog=f"example: {COMMAND} release ../course --problems 31-35",
    )
    release.add_argument("out", type=Path, metavar="OUT", help="an empty folder, or one that an earlier release wrote")
    release.add_argument("--problems", nargs="+", default=["all"], metavar="N", help="31, 31-33 or all (the default)")


def _verify(options) -> int:
    need("author", "jupytext", "nbclient", "ipykernel", "matplotlib")
    from grader.authors.verify import verify

    problems = select(options.problems, every_problem())
    if options.at_most is not None and not options.since:
        raise UsageError("--at-most is of what could have changed: add --since COMMIT")
    if options.at_most is not None and options.at_most < 1:
        raise UsageError("--at-most takes 1 or more: of no problem nothing would be proved")
    if options.since:
        from grader.authors.ledger import changed_since

        problems = changed_since(course_root(), problems, options.since, options.at_most)
    return verify(course_root(), problems, console_for(), anew=options.anew)


def _publish(options) -> int:
    from grader.authors.publish import publish, stale

    if options.solutions and not options.site:
        raise UsageError("--solutions is an edition of the site: add --site OUT")
    problems, root = every_problem(), course_root()
    if options.check and (options.notebooks or options.picture or options.site or options.html):
        raise UsageError("--check makes nothing: leave it out, or leave out what is to be made")
    if options.check:
        need("publish", "jupytext", "nbformat")
        faults = stale(root, problems)
        print(
            "\n".join([*faults, f"{COMMAND} publish --notebooks makes them anew"])
            if faults
            else "every notebook matches its lesson, stub and hints"
        )
        return 2 if faults else 0
    if options.picture:
        from grader.authors.readme import draw

        draw(root, problems, console_for())
    if not (options.notebooks or options.site or options.html):
        if options.picture:
            return 0
        raise UsageError("say what to make: --notebooks, --picture, --site OUT or --html OUT")
    return publish(
        root,
        problems,
        console_for(),
        into_notebooks=options.notebooks,
        site=options.site,
        html=options.html,
        solutions=options.solutions,
    )


def _release(options) -> int:
    from grader.authors.release import release

    return release(course_root(), select(options.problems, every_problem()), options.out, console_for())


def _new(options) -> int:
    from grader.authors.new import scaffold

    return scaffold(course_root(), options.number, options.topic, console_for())
