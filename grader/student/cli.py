"""The command line: `python -m grader`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from grader.course.problem import CourseError, Problem, course_root, read
from grader.course.select import UsageError, console_for, every_problem, one_problem, select
from grader.course.verdict import Verdict
from grader.process import child, store
from grader.report.words import COMMAND

EXIT_CODES = """exit codes:
  0  everything that can be checked on this machine passed
  1  a stub is at fault: wrong, not written, missing, a syntax error, an endless loop
  2  the course, the machine or the command is at fault (over several problems, 2 wins over 1)"""


# of the command, the course and the machine: told in a sentence
FAULTS = (UsageError, CourseError, ModuleNotFoundError, OSError)
STOPPED = "stopped; what was graded before stays as it was"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with interruptible():
            return _dispatch(arguments)
    except KeyboardInterrupt:
        print(f"\n{STOPPED}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        return 0
    except FAULTS as error:
        print(in_a_sentence(error), file=sys.stderr)
        return 2


@contextlib.contextmanager
def interruptible():
    """Within the block Ctrl-C also reaches whoever waits for a worker. It comes to the main thread only."""
    child.interrupted.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        signal.signal(signal.SIGINT, before)
        child.interrupted.clear()  # whoever else works in this process was not interrupted


def _interrupt(number, frame):
    child.interrupted.set()
    # it may come between opening a file and the `with` that closes it
    warnings.simplefilter("ignore", ResourceWarning)
    raise KeyboardInterrupt


def in_a_sentence(error: Exception) -> str:
    """What is said of one of the FAULTS."""
    if isinstance(error, ModuleNotFoundError):
        extra = _extra_with(error.name)
        remedy = (
            f"install the extra that brings it: pip install -e '.[{extra}]'"
            if extra
            else "activate the environment that README's first command makes"
        )
        return f"grader: {error.name} is not installed for {sys.executable}; {remedy}"
    return f"grader: this machine is in the way: {error}" if isinstance(error, OSError) else f"grader: {error}"


def _extra_with(module: str) -> str:
    """The extra of pyproject.toml that names a package, if one does and the course is installed."""
    import importlib.metadata

    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for requirement in importlib.metadata.requires("attention-track") or ():
            name, _, marker = requirement.partition(";")
            extra = re.search(r"extra == ['\"](\w+)", marker)
            if extra and re.split(r"[^\w-]", name.strip())[0].replace("-", "_") == module.partition(".")[0]:
                return extra[1]
    return ""


def _dispatch(arguments: list[str]) -> int:
    parser, commands = _parsers()
    first = next((a for a in arguments if not a.startswith("-")), None)
    if first is None and not {"-h", "--help"} & {*arguments}:
        return overview(arguments, parser)
    if first is not None and first not in commands:
        if not any(c.isdigit() for c in first) and first != "all":
            raise UsageError(
                f"there is no command {first!r}; try one of {', '.join(commands)}, or a problem's number: `{COMMAND} "
                f"31`"
            )
        arguments = ["grade", *arguments]
    options = parser.parse_args(arguments)
    return options.run(options)


def _parsers():
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"""Grades the attention track.

  {COMMAND} demo       what a verdict says, and where to begin
  {COMMAND}            the track at a glance, and what to do next
  {COMMAND} 31         the verdict on problem 31 (also 31-33, 31,33 or all)
  {COMMAND} watch      grade again at each save, from the first unsolved problem on
  {COMMAND} hint 31    one more hint each time""",
        epilog=EXIT_CODES,
    )
    commands = parser.add_subparsers(title="commands", metavar="")

    def command(name, run, help, description=None, epilog=None):
        sub = commands.add_parser(
            name,
            help=help,
            description=description or help[0].upper() + help[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        return sub

    grade = command(
        "grade", grade_command, "the verdict on one or more problems (the word may be left out)", epilog=EXIT_CODES
    )
    grade.prog = COMMAND
    grade.add_argument("problems", nargs="+", help="31, 31-33, 31,33 or all")
    grade.add_argument("--file", type=Path, metavar="PATH", help="grade this file in the stub's place")
    grade.add_argument(
        "--json",
        action="store_true",
        help="print the verdict as JSON (documented in grader/report/verdict.schema.json)",
    )
    grade.add_argument(
        "--again", action="store_true", help="run everything, also what has not changed since it last ran"
    )
    amount = grade.add_mutually_exclusive_group()
    amount.add_argument("-v", "--verbose", action="store_true", help="show every check and everything that was printed")
    amount.add_argument("-q", "--quiet", action="store_true", help="one line for each problem")

    shown = command(
        "showcase",
        showcase_command,
        "what your own answers to a part of the track can do together",
        "language-model puts your answers to 41-47 together, trains for half a minute, and lets the model write. "
        "long-sequences counts what your answers to 33, 39 and 48-54 cost at growing lengths.",
        epilog=f"example: {COMMAND} showcase language-model",
    )
    shown.add_argument("name", help="language-model or long-sequences")
    shown.add_argument("--solutions", action="store_true", help="take the references, where there are any")

    command("demo", demo_command, "what a verdict says: a wrong attempt, the same mended, and where to go next")

    watch = command(
        "watch",
        watch_command,
        "grade again at each save",
        "Grades again at each save, with a worker that has JAX imported already. Without a number it stays on the "
        "first\n"
        "unsolved problem and moves on when that passes. Keys: h hint, l lesson, r run again, q quit.",
    )
    watch.add_argument("problem", nargs="?")

    debug = command(
        "debug",
        debug_command,
        "run the first failing case in your own terminal, where print and breakpoint() work",
        "Runs the first failing case (or CASE) of your stub in this terminal, where print() and\n"
        "breakpoint() work, without reference and verdict, and keeps a script that does the same\n"
        "in any Python.",
    )
    debug.add_argument("problem")
    debug.add_argument(
        "case",
        nargs="?",
        help="a case's name as the verdict has it, or its first letters; 'one key grad' names the transform too",
    )
    debug.add_argument("--file", type=Path, metavar="PATH", help="run this file in the stub's place")

    hint = command("hint", hint_command, "one more hint each time")
    hint.add_argument("problem")
    hint.add_argument("--all", action="store_true", help="show every hint that was shown before, and the next")

    lesson = command("lesson", lesson_command, "the lesson, in the terminal's pager")
    lesson.add_argument("problem")

    reset = command("reset", reset_command, "put the stub back, and keep a copy of what was there")
    reset.add_argument("problem")

    device = command(
        "device",
        device_command,
        "run a kernel on this machine's accelerator, and compile it for a TPU that is not here",
        "Runs the stub of a problem that has a kernel on this machine's GPU or TPU, beside "
        "jax.nn.dot_product_attention (XLA, and cuDNN where\n"
        "there is one), and prints a Markdown table: TFLOP/s, the share of the best, the largest error. With libtpu "
        "installed (the extra tpu)\n"
        "it also compiles ahead of time for a TPU v5e, which need not be here. It informs, and decides nothing.",
        epilog=f"example: {COMMAND} device 40 --file solutions/40_tiled_attention/reference.py --tune",
    )
    device.add_argument("problem")
    device.add_argument("--file", type=Path, metavar="PATH", help="run this file in the stub's place")
    device.add_argument(
        "--short", action="store_true", help="the few sizes that a verdict shows, instead of the whole table"
    )
    device.add_argument(
        "--tune", action="store_true", help="also try other blocks at each size, and say which are best"
    )
    device.add_argument(
        "--interpret",
        action="store_true",
        help="run on the CPU in interpret mode, at tiny sizes, to try the command itself",
    )

    for room in ("authors", "classroom", "bench"):  # the students' course has none of them
        if (Path(__file__).parents[1] / room).is_dir():
            importlib.import_module(f"grader.{room}.commands").add_to(command)
    return parser, list(commands.choices)


def overview(arguments: list[str], parser) -> int:
    """The track at a glance."""
    if arguments:
        parser.error(f"{' '.join(arguments)} needs a problem's number: `{COMMAND} 31 {arguments[0]}`")
    from grader.report import terminal
    from grader.student.progress import ALL_SOLVED, next_step, where_it_stands

    parts, unsolved = {}, []
    for problem in every_problem():
        told, style = where_it_stands(problem)
        parts.setdefault(problem.part, []).append((problem.number, problem.title, told, style))
        if told != "passed":
            unsolved.append((problem, told))
    under_way = [(problem, told) for problem, told in unsolved if told != "not started"]
    upcoming = next_step(*(under_way or unsolved)[0]) if unsolved else ALL_SOLVED
    terminal.overview(parts, console_for(), upcoming)
    return 0


def grade_command(options) -> int:
    problems = select(options.problems, every_problem())
    if options.file and len(problems) != 1:
        raise UsageError("--file grades one file against one problem: name one")
    quiet = options.quiet or options.json
    verdicts = []
    for problem in problems:
        verdicts.append(verdict_on(problem, options.file, lambda problem: _spinner(problem, quiet), options.again))
        if not options.json:
            try:
                _show(verdicts[-1], console_for(), options, problem)
            except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
                raise CourseError(
                    f"the verdict on {problem.number} cannot be shown: the grader failed on it ({type(error).__name__})"
                ) from error
    code = max((verdict.exit_code for verdict in verdicts), default=2)
    if options.json:
        from grader.report import machine

        print(json.dumps(machine.report(verdicts, code), indent=1))
    return code


def verdict_on(problem: Problem, file: Path | None, under_way: Callable, again: bool = False) -> Verdict:
    """The verdict on a stub, which is remembered, or on another file. What did not change since it ran is run `again`
    only when that is asked for.

    While the worker starts, the context manager `under_way(problem)` is entered; it gives the function that is told
    what takes long.
    """
    from dataclasses import replace

    from grader.judge import grade as stages
    from grader.judge import recording
    from grader.process.stub import open_stub
    from grader.student.progress import remember

    # read once: what is saved from here on is no part of this verdict
    worker, beside, stub = None, None, open_stub(problem, file)
    try:
        recorded = None if again else recording.recall(problem, stub)
        if not stub.trouble:
            worker = recorded or stages.start_worker(problem)
            beside = None if recorded else stages.start_beside(problem)
        with under_way(problem) as progress:
            verdict = stages.grade(
                problem,
                stub=stub,
                worker=worker,
                beside=beside,
                record=not recorded,
                spare=not again and not recorded,
                progress=progress,
            )
            if recorded:
                verdict = replace(verdict, notes=(*verdict.notes, recording.UNCHANGED))
            verdict = _with_device(problem, stub, verdict, progress)
    except CourseError as error:
        return stages.course_fault(problem, error)
    finally:
        for started in (worker, beside):
            if started and started.alive:
                started.kill()
    if file is None and stub.content:
        remember(problem, stub.content, verdict)
    return verdict


def _with_device(problem: Problem, stub, verdict: Verdict, progress) -> Verdict:
    """A passing kernel also runs on the accelerator, where there is one; what it shows there is a note."""
    if verdict.exit_code or not problem.has_device_sizes:
        return verdict
    from dataclasses import replace

    from grader.student import device

    kind = device.usable()
    if not kind:
        return replace(
            verdict,
            notes=(
                *verdict.notes,
                "Not run on a GPU or TPU: there is none here that JAX can use. Lowering for both was checked.",
            ),
        )
    progress(f"running on the {kind.upper()}")
    return replace(
        verdict,
        notes=(
            *verdict.notes,
            device.note(device.measure(problem, stub.path, stub.source, table="short", platform=kind)),
        ),
    )


def _spinner(problem: Problem, quiet: bool):
    """Says on a terminal what takes long, on standard error."""
    console = console_for(stderr=True)
    if quiet or not console.is_terminal:
        return contextlib.nullcontext(lambda text: None)

    @contextlib.contextmanager
    def spinning():
        with console.status(f"grading {problem.number} · {problem.title}") as status:
            yield lambda text: status.update(f"{problem.number} · {text}")

    return spinning()


def _show(verdict: Verdict, console, options, problem: Problem) -> None:
    from grader.report import terminal
    from grader.student.progress import ALL_SOLVED, after

    if options.quiet:
        console.print(terminal.one_line(verdict), soft_wrap=True)
        return
    following = after(problem, every_problem())
    upcoming = f"{COMMAND} lesson {following.number}  ({following.title})" if following else ALL_SOLVED
    terminal.show(verdict, console, verbose=options.verbose, upcoming=upcoming if options.file is None else "")
    if len(options.problems) > 1 or any(c in options.problems[0] for c in "-,a"):
        console.print()


def demo_command(options) -> int:
    from grader.student.demo import demo

    return demo(
        every_problem(),
        lambda problem, path: verdict_on(problem, path, lambda problem: _spinner(problem, False)),
        console_for(),
    )


def showcase_command(options) -> int:
    from grader.student.showcase import showcase

    return showcase(options.name, every_problem(), options.solutions, console_for())


def watch_command(options) -> int:
    from grader.student.watch import watch

    return watch(course_root(), one_problem(options.problem) if options.problem else None, console_for())


def debug_command(options) -> int:
    from grader.student.debug import debug

    return debug(one_problem(options.problem), options.case, options.file, console_for())


def hint_command(options) -> int:
    from grader.student.pages import show_hint

    show_hint(one_problem(options.problem), console_for(), also_earlier=options.all)
    return 0


def lesson_command(options) -> int:
    from grader.student.pages import show_lesson

    show_lesson(one_problem(options.problem), console_for())
    return 0


def reset_command(options) -> int:
    from grader.process.stub import replace_stub, shown_path

    problem = one_problem(options.problem)
    shown, pristine, root = shown_path(problem, problem.stub), read(problem.pristine), problem.folder.parents[1]
    if store.recall(root, problem.name).get("hints") and store.remember(root, problem.name, hints=0):
        print("the hints begin again at the first")
    if problem.stub.exists() and problem.stub.read_bytes() == pristine:
        print(f"{shown} is as it came; nothing to put back")
        return 0
    kept = replace_stub(problem, pristine)
    if kept:
        print(f"what was there is kept as {kept}")
    print(f"{shown} is as it came")
    return 0


def device_command(options) -> int:
    import datetime

    from grader.process.stub import open_stub
    from grader.student import device

    problem = one_problem(options.problem)
    if not problem.has_device_sizes:
        raise UsageError(f"problem {problem.number} has no kernel to run on an accelerator")
    stub = open_stub(problem, options.file)
    if stub.trouble:
        raise UsageError(stub.trouble.summary)
    here, ahead = device.usable(), importlib.util.find_spec("libtpu") is not None and not options.interpret
    platform = "cpu" if options.interpret else here
    if not platform and not ahead:
        there = device.hardware()
        raise UsageError(
            f"there is a {there.upper()} here that JAX cannot use; install the extra: pip install -e "
            f"'.[{device.EXTRAS[there]}]'"
            if there
            else "there is no GPU or TPU here, and no libtpu (the extra tpu) to compile ahead of time with; "
            "--interpret tries the command itself"
        )
    with _spinner(problem, False) as progress:
        report = device.measure(
            problem,
            stub.path,
            stub.source,
            table="interpret" if options.interpret else "short" if options.short else "table",
            platform=platform,
            tune=options.tune,
            ahead=ahead,
            progress=progress,
        )
    if report.rows:
        print(device.markdown(report, datetime.date.today().isoformat()))
    if report.compiled:
        print(
            "\n".join(
                [
                    "",
                    f"Compiled ahead of time for a TPU v5e, {report.versions}:",
                    "",
                    *(f"- {label}: {told}" for label, told in report.compiled),
                ]
            )
        )
    if report.trouble:
        print(f"grader: {report.trouble}", file=sys.stderr)
    return 1 if report.trouble or any("yours" in row.refused for row in report.rows) else 0
