"""The command line: `python -m grader`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from grader import sandbox, state
from grader.problem import CourseError, Problem, course_root, discover, read
from grader.verdict import Verdict

COMMAND = "python -m grader"
EXIT_CODES = """exit codes:
  0  everything that can be checked on this machine passed
  1  a stub is at fault: wrong, not written, missing, a syntax error, an endless loop
  2  the course, the machine or the command is at fault (over several problems, 2 wins over 1)"""


class UsageError(Exception):
    """The command is at fault; the message says what would be right."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    sandbox.interrupted.clear()
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        return _dispatch(arguments)
    except (UsageError, CourseError) as error:
        print(f"grader: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; what was graded before stays as it was", file=sys.stderr)
        return 130
    except BrokenPipeError:                     # `| head` has seen enough
        sys.stderr.close()
        return 0
    except ModuleNotFoundError as error:
        print(f"grader: {error.name} is not installed for {sys.executable}; activate the environment that README's first command makes", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"grader: this machine is in the way: {error}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(number, frame):
    sandbox.interrupted.set()
    raise KeyboardInterrupt


def _dispatch(arguments: list[str]) -> int:
    parser, commands = _parsers()
    first = next((a for a in arguments if not a.startswith("-")), None)
    if first is None and not {"-h", "--help"} & {*arguments}:
        return overview(arguments, parser)
    if first is not None and first not in commands:
        if not any(c.isdigit() for c in first) and first != "all":
            raise UsageError(f"there is no command {first!r}; try one of {', '.join(commands)}, or a problem's number: `{COMMAND} 31`")
        arguments = ["grade", *arguments]
    options = parser.parse_args(arguments)
    return options.run(options)


def _parsers():
    parser = argparse.ArgumentParser(prog=COMMAND, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=f"""Grades the attention track.

  {COMMAND}            the track at a glance, and what to do next
  {COMMAND} 31         the verdict on problem 31 (also 31-33, 31,33 or all)
  {COMMAND} watch      grade again at each save, from the first unsolved problem on
  {COMMAND} hint 31    one more hint each time""", epilog=EXIT_CODES)
    commands = parser.add_subparsers(title="commands", metavar="")

    def command(name, run, help, description=None, epilog=None):
        sub = commands.add_parser(name, help=help, description=description or help[0].upper() + help[1:] + ".", epilog=epilog,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
        sub.set_defaults(run=run)
        return sub

    grade = command("grade", grade_command, "the verdict on one or more problems (the word may be left out)", epilog=EXIT_CODES)
    grade.prog = COMMAND
    grade.add_argument("problems", nargs="+", help="31, 31-33, 31,33 or all")
    grade.add_argument("--file", type=Path, metavar="PATH", help="grade this file in the stub's place")
    grade.add_argument("--json", action="store_true", help="print the verdict as JSON (documented in grader/report/verdict.schema.json)")
    amount = grade.add_mutually_exclusive_group()
    amount.add_argument("-v", "--verbose", action="store_true", help="show every check and everything that was printed")
    amount.add_argument("-q", "--quiet", action="store_true", help="one line for each problem")

    watch = command("watch", watch_command, "grade again at each save",
                    "Grades again at each save, with a worker that has JAX imported already. Without a number it stays on the first\n"
                    "unsolved problem and moves on when that passes. Keys: h hint, l lesson, r run again, q quit.")
    watch.add_argument("problem", nargs="?")

    debug = command("debug", debug_command, "run the first failing case in your own terminal, where print and breakpoint() work",
                    "Runs the first failing case (or CASE) of your stub in this terminal, where print() and breakpoint() work, without reference\n"
                    "and verdict, and keeps a script that does the same in any Python.")
    debug.add_argument("problem")
    debug.add_argument("case", nargs="?", help="a case's name, or the first letters of it")
    debug.add_argument("--file", type=Path, metavar="PATH", help="run this file in the stub's place")

    hint = command("hint", hint_command, "one more hint each time")
    hint.add_argument("problem")
    hint.add_argument("--all", action="store_true", help="show every hint that was shown before, and the next")

    lesson = command("lesson", lesson_command, "the lesson, in the terminal")
    lesson.add_argument("problem")

    reset = command("reset", reset_command, "put the stub back, and keep a copy of what was there")
    reset.add_argument("problem")

    verify = command("verify", verify_command, "for authors: prove that the problems, their right answers and their mistakes hold together")
    verify.add_argument("problems", nargs="*", default=["all"], help="31, 31-33 or all (the default)")

    new = command("new", new_command, "for authors: scaffold both halves of a problem", epilog=f"example: {COMMAND} new 41 rope")
    new.add_argument("number", type=int)
    new.add_argument("topic", help="lower-case words joined by _: rope, sliding_window")

    device = command("device", device_command, "run a kernel on this machine's accelerator, and compile it for a TPU that is not here",
                     "Runs the stub of a problem that has a kernel on this machine's GPU or TPU, beside jax.nn.dot_product_attention (XLA, and cuDNN where\n"
                     "there is one), and prints a Markdown table: TFLOP/s, the share of the best, the largest error. With libtpu installed (the extra tpu)\n"
                     "it also compiles ahead of time for a TPU v5e, which need not be here. It informs, and decides nothing.",
                     epilog=f"example: {COMMAND} device 40 --file solutions/40_tiled_attention/reference.py --tune")
    device.add_argument("problem")
    device.add_argument("--file", type=Path, metavar="PATH", help="run this file in the stub's place")
    device.add_argument("--short", action="store_true", help="the few sizes that a verdict shows, instead of the whole table")
    device.add_argument("--tune", action="store_true", help="also try other blocks at each size, and say which are best")
    device.add_argument("--interpret", action="store_true", help="run on the CPU in interpret mode, at tiny sizes, to try the command itself")

    bench = command("bench", bench_command, "for authors: time the student's loop beside plain pytest, as ratios within one run")
    bench.add_argument("--rounds", type=int, default=5, help="rounds; each runs every command once (default 5)")
    return parser, list(commands.choices)


def select(texts: Sequence[str], problems: list[Problem]) -> list[Problem]:
    """The problems that `31`, `31-33`, `31,33` or `all` name, in order and once each."""
    by_number = {problem.number: problem for problem in problems}
    chosen: list[int] = []
    for text in (part for argument in texts for part in argument.split(",") if part):
        first, dash, last = text.partition("-")
        if text == "all":
            chosen += by_number
        elif dash and first.isdigit() and last.isdigit():
            within = [number for number in by_number if int(first) <= number <= int(last)]
            if not within:
                raise UsageError(f"there is no problem from {first} to {last}; there are {_spoken(by_number)}")
            chosen += within
        elif first.split("_")[0].isdigit() and not dash and int(first.split("_")[0]) in by_number:
            chosen.append(int(first.split("_")[0]))
        else:
            raise UsageError(f"there is no problem {text!r}; there are {_spoken(by_number)}")
    return [by_number[number] for number in dict.fromkeys(chosen)]


def _spoken(numbers) -> str:
    return ", ".join(map(str, numbers)) or "none"


def _one(text: str) -> Problem:
    chosen = select([text], _problems())
    if len(chosen) != 1:
        raise UsageError(f"name one problem, such as {chosen[0].number}")
    return chosen[0]


def _problems() -> list[Problem]:
    problems = discover(course_root())
    if not problems:
        raise CourseError(f"there are no problems in {course_root() / 'problems'}")
    return problems


def _console(stderr: bool = False):
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        return Console(stderr=stderr, highlight=False, width=80)
    return console if console.width <= 100 else Console(stderr=stderr, highlight=False, width=100)


def overview(arguments: list[str], parser) -> int:
    """The track at a glance."""
    if arguments:
        parser.error(f"{' '.join(arguments)} needs a problem's number: `{COMMAND} 31 {arguments[0]}`")
    from grader.progress import where_it_stands
    from grader.report import terminal

    problems = _problems()
    rows, first_open, under_way = [], None, False
    for problem in problems:
        told, style = where_it_stands(problem)
        rows.append((problem.number, problem.title, told, style))
        if told != "passed" and (first_open is None or not under_way and told != "not started"):
            first_open, under_way = problem, told != "not started"
    upcoming = (f"problem {first_open.number}: {COMMAND} lesson {first_open.number}, then fill in {first_open.stub.relative_to(course_root()).as_posix()}"
                if first_open else "every problem here is solved")
    terminal.overview(rows, _console(), upcoming)
    return 0


def grade_command(options) -> int:
    problems = select(options.problems, _problems())
    if options.file and len(problems) != 1:
        raise UsageError("--file grades one file against one problem: name one")
    quiet = options.quiet or options.json
    console, verdicts = None, []
    for problem in problems:
        verdict, console = _verdict(problem, options.file, console, quiet)
        verdicts.append(verdict)
        if not options.json:
            _show(verdict, console, options, problem)
    code = max((verdict.exit_code for verdict in verdicts), default=2)
    if options.json:
        from grader.report import machine

        print(json.dumps(machine.report(verdicts, code), indent=1))
    return code


def _verdict(problem: Problem, file: Path | None, console, quiet: bool):
    """A verdict, and the console that is made while the worker starts."""
    from grader import grade as stages
    from grader.progress import remember
    from grader.stub import open_stub

    try:
        worker = None if open_stub(problem, file).trouble else stages.start_worker(problem)
        console = console or _console()
        with _spinner(problem, quiet) as progress:
            verdict = stages.grade(problem, file, worker=worker, progress=progress)
            verdict = _with_device(problem, file, verdict, progress)
    except CourseError as error:
        return stages.course_fault(problem, error), console or _console()
    if file is None and problem.stub.exists():
        remember(problem, read(problem.stub), verdict)
    return verdict, console


def _with_device(problem: Problem, file: Path | None, verdict: Verdict, progress) -> Verdict:
    """A passing kernel also runs on the accelerator, where there is one; what it shows there is a note."""
    if verdict.exit_code or not problem.has_device_sizes:
        return verdict
    from dataclasses import replace

    from grader import device
    from grader.stub import open_stub

    kind = device.usable()
    if not kind:
        return replace(verdict, notes=(*verdict.notes, "Not run on a GPU or TPU: there is none here that JAX can use. Lowering for both was checked."))
    progress(f"running on the {kind.upper()}")
    stub = open_stub(problem, file)
    return replace(verdict, notes=(*verdict.notes, device.note(device.measure(problem, stub.path, stub.source, table="short", platform=kind))))


def _spinner(problem: Problem, quiet: bool):
    """Says on a terminal what takes long, on standard error."""
    import contextlib

    console = _console(stderr=True)
    if quiet or not console.is_terminal:
        return contextlib.nullcontext(lambda text: None)

    @contextlib.contextmanager
    def spinning():
        with console.status(f"grading {problem.number} · {problem.title}") as status:
            yield lambda text: status.update(f"{problem.number} · {text}")

    return spinning()


def _show(verdict: Verdict, console, options, problem: Problem) -> None:
    from grader.report import terminal

    if options.quiet:
        console.print(terminal.one_line(verdict), soft_wrap=True)
        return
    following = next((p for p in _problems() if p.number > problem.number), None)
    upcoming = f"{COMMAND} lesson {following.number}  ({following.title})" if following else "that was the last problem here"
    terminal.show(verdict, console, verbose=options.verbose, upcoming=upcoming if options.file is None else "")
    if len(options.problems) > 1 or any(c in options.problems[0] for c in "-,a"):
        console.print()


def watch_command(options) -> int:
    from grader.watch import watch

    return watch(course_root(), _one(options.problem) if options.problem else None, _console())


def debug_command(options) -> int:
    from grader.debug import debug

    return debug(_one(options.problem), options.case, options.file, _console())


def hint_command(options) -> int:
    from grader.pages import show_hint

    show_hint(_one(options.problem), _console(), also_earlier=options.all)
    return 0


def lesson_command(options) -> int:
    import contextlib

    from grader.pages import show_lesson

    problem, console = _one(options.problem), _console()
    with console.pager(styles=True) if console.is_terminal and sys.stdin.isatty() else contextlib.nullcontext():
        show_lesson(problem, console)
    return 0


def reset_command(options) -> int:
    import time

    problem, root = _one(options.problem), course_root()
    shown, pristine = problem.stub.relative_to(root).as_posix(), read(problem.pristine)
    there = problem.stub.read_bytes() if problem.stub.exists() else None
    if there == pristine:
        print(f"{shown} is as it came; nothing to put back")
        return 0
    if there is not None:
        folder = state.folder(root, "kept", problem.name)
        copy = folder / f"stub-{time.strftime('%Y%m%d-%H%M%S')}-{state.digest(there)[:4]}.py" if folder else None
        if copy is None or not state.write(copy, there):
            raise CourseError(f"your {shown} could not be copied to a safe place, so it was left as it is")
        print(f"what was there is kept as {copy.relative_to(root) if copy.is_relative_to(root) else copy}")
    if not state.write(problem.stub, pristine):
        raise CourseError(f"{shown} cannot be written to; it was left as it is")
    print(f"{shown} is as it came")
    return 0


def verify_command(options) -> int:
    from grader.instructor.verify import verify

    return verify(course_root(), select(options.problems, _problems()), _console())


def device_command(options) -> int:
    import datetime
    import importlib.util

    from grader import device
    from grader.stub import open_stub

    problem = _one(options.problem)
    if not problem.has_device_sizes:
        raise UsageError(f"problem {problem.number} has no kernel to run on an accelerator")
    stub = open_stub(problem, options.file)
    if stub.trouble:
        raise UsageError(stub.trouble.summary)
    here, ahead = device.usable(), importlib.util.find_spec("libtpu") is not None and not options.interpret
    platform = "cpu" if options.interpret else here
    if not platform and not ahead:
        there = device.hardware()
        raise UsageError(f"there is a {there.upper()} here that JAX cannot use; install the extra: pip install -e '.[{device.EXTRAS[there]}]'" if there else
                         "there is no GPU or TPU here, and no libtpu (the extra tpu) to compile ahead of time with; --interpret tries the command itself")
    with _spinner(problem, False) as progress:
        report = device.measure(problem, stub.path, stub.source, table="interpret" if options.interpret else "short" if options.short else "table",
                                platform=platform, tune=options.tune, ahead=ahead, progress=progress)
    if report.rows:
        print(device.markdown(report, datetime.date.today().isoformat()))
    if report.compiled:
        print("\n".join(["", f"Compiled ahead of time for a TPU v5e, {report.versions}:", "", *(f"- {label}: {told}" for label, told in report.compiled)]))
    if report.trouble:
        print(f"grader: {report.trouble}", file=sys.stderr)
    return 1 if report.trouble or any("yours" in row.refused for row in report.rows) else 0


def new_command(options) -> int:
    from grader.instructor.new import scaffold

    return scaffold(course_root(), options.number, options.topic, _console())


def bench_command(options) -> int:
    from grader.instructor.bench import bench

    return bench(course_root(), options.rounds, _console())
