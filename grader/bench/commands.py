"""The command that measures."""

from __future__ import annotations

from collections.abc import Callable

from grader.course.problem import course_root
from grader.course.select import console_for, every_problem, need, select


def add_to(command: Callable) -> None:
    """Adds them to the command line; `command(name, run, help, ...)` makes a parser."""
    bench = command(
        "bench", _bench, "for authors: time the student's loop beside plain pytest, as ratios within one run"
    )
    bench.add_argument("--rounds", type=int, default=5, help="rounds; each runs every command once (default 5)")
    bench.add_argument(
        "--each",
        nargs="*",
        metavar="N",
        help="time a verdict on each of these problems instead (default all), as a ratio to importing JAX and Flax",
    )
    bench.add_argument(
        "--class",
        dest="klass",
        type=int,
        nargs="?",
        const=100,
        metavar="N",
        help="time a class of N instead (default 100): submissions a minute, sandbox on",
    )
    bench.add_argument("--dask", action="store_true", help="with --class: also with two Dask workers on this machine")
    bench.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="COMMAND",
        help="with --class: also this command for each submission, whose path stands for {}",
    )
    bench.add_argument(
        "--soak",
        type=int,
        nargs="?",
        const=1000,
        metavar="N",
        help="grade a class of N, a third of it hostile, and kill the run ten times with -9",
    )


def _bench(options) -> int:
    if options.soak:
        need("class", "landlockpy")
        from grader.bench.soak import soak

        return soak(course_root(), options.soak, console_for())
    if options.klass:
        need("class", "landlockpy", *(["distributed"] if options.dask else []))
        from grader.bench.of_a_class import bench_class

        return bench_class(course_root(), options.klass, options.peer, options.dask, console_for())
    from grader.bench.loop import bench, each

    if options.each is not None:
        return each(course_root(), select(options.each or ["all"], every_problem()), options.rounds, console_for())

    return bench(course_root(), options.rounds, console_for())
