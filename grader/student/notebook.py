"""The face in a notebook: `%load_ext grader`, and then `%%grade 31` above a stub gives its verdict below it.

The cell is written to the stub's file and graded there, in processes of the grader's own: nothing of it runs in the
kernel.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from IPython.display import display

from grader.course.problem import Problem, course_root
from grader.course.verdict import Verdict
from grader.process import store
from grader.process.stub import replace_stub, shown_path
from grader.report import page, terminal
from grader.student import cli
from grader.student.pages import show_hint
from grader.student.progress import ALL_SOLVED, after


def load(shell) -> None:
    """Registers `%%grade`, `%grade` and `%hint`."""
    shell.register_magic_function(grade_magic, "line_cell", "grade")
    shell.register_magic_function(hint_magic, "line", "hint")
    transforms = shell.input_transformers_cleanup
    if _comments_below not in transforms:
        transforms.insert(0, _comments_below)


def grade_magic(line: str, cell: str | None = None) -> None:
    """`%%grade 31` grades the cell below it, `%grade 31` the stub's file, `%grade 31 --file PATH` another file."""
    with _in_sentences():
        options = _options("%grade" if cell is None else "%%grade", line, with_file=cell is None)
        problem = cli.one_problem(options.problem)
        note = _write(problem, cell) if cell is not None else ""
        shown = _Output()
        try:
            with cli.interruptible():
                verdict = cli.verdict_on(problem, _found(options.file), shown.under_way)
        except KeyboardInterrupt:
            shown.line(cli.STOPPED)
        else:
            shown.verdict(
                replace(verdict, notes=(*([note] if note else []), *verdict.notes)),
                problem,
                options.file is None,
                cell is not None,
            )


def hint_magic(line: str) -> None:
    """`%hint 31` shows the hints, which unfold one after the other."""
    with _in_sentences():
        problem = cli.one_problem(_options("%hint", line, with_file=False).problem)
        text = _text(lambda console: show_hint(problem, console))
        _Output().show(page.hints_page(problem.number, problem.title, problem.hints), text)


def _comments_below(lines: list[str]) -> list[str]:
    """For IPython a cell is a magic's when that stands in its first line: comments and blank lines above `%%grade` go
    below it."""
    above = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), 0)
    if not above or lines[above].split()[0] != "%%grade":
        return lines
    return [lines[above].rstrip("\n") + "\n", *lines[:above], *lines[above + 1 :]]


@contextlib.contextmanager
def _in_sentences():
    """What the course, the machine or the command is at fault for is told in a sentence, as the command line does."""
    try:
        yield
    except cli.FAULTS as error:
        print(cli.in_a_sentence(error), file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise cli.UsageError(f"{message}; write `{self.prog} 31`")


def _options(magic: str, line: str, with_file: bool) -> argparse.Namespace:
    parser = _Parser(prog=magic, add_help=False)
    parser.add_argument("problem")
    if with_file:
        parser.add_argument("--file", type=Path)
    else:
        parser.set_defaults(file=None)
    try:
        words = shlex.split(line, comments=True, posix=os.name == "posix")
    except ValueError as error:
        raise cli.UsageError(f"{error} in `{magic} {line}`") from None
    return parser.parse_args(words)


def _found(file: Path | None) -> Path | None:
    """A file's path, which may also be one from the course's folder: a notebook runs in a folder of its own."""
    return course_root() / file if file and not file.exists() and (course_root() / file).exists() else file


def _write(problem: Problem, cell: str) -> str:
    """Writes a cell to the stub's file, unless it stands there already. Says so when what was there came from no cell,
    but from an editor, say."""
    if not cell.strip():
        raise cli.UsageError(f"the cell is empty: write your answer below the line `%%grade {problem.number}`")
    content = (cell.rstrip("\n") + "\n").encode("utf-8", "replace")
    there = problem.stub.read_bytes() if problem.stub.exists() else b""
    if there == content:
        return ""
    pristine = problem.pristine.read_bytes()
    if content.strip() == pristine.strip() and there and there.strip() != pristine.strip():
        raise cli.UsageError(
            f"the cell is as it came, and {shown_path(problem, problem.stub)} holds work of yours, which was left as "
            f"it is; "
            f"`%grade {problem.number}` grades it, and `python -m grader reset {problem.number}` puts it back"
        )
    earlier, root = replace_stub(problem, content), problem.folder.parents[1]
    from_a_cell = store.recall(root, problem.name).get("cell") == store.digest(there)
    store.remember(root, problem.name, cell=store.digest(content))
    return (
        f"What stood in {shown_path(problem, problem.stub)} before is kept as {earlier}."
        if earlier and not from_a_cell
        else ""
    )


class _Output:
    """One output of a cell: what goes on, and in its place what came of it."""

    def __init__(self):
        self._handle = None

    @contextlib.contextmanager
    def under_way(self, problem: Problem):
        """Shows what takes long."""
        self.line(f"grading {problem.number} · {problem.title}")
        yield lambda text: self.line(f"{problem.number} · {text}")

    def line(self, text: str) -> None:
        self.show(page.line_page(text), text)

    def verdict(self, verdict: Verdict, problem: Problem, own: bool, cell: bool) -> None:
        following = after(problem, cli.every_problem())
        upcoming = (f"{following.number} · {following.title}" if following else ALL_SOLVED) if own else ""
        self.show(
            page.verdict_page(verdict, hints=problem.hints, upcoming=upcoming, cell=cell),
            _text(lambda console: terminal.show(verdict, console, upcoming=upcoming)),
        )

    def show(self, html: str, text: str) -> None:
        told = {"text/html": html, "text/plain": text}
        if self._handle:
            self._handle.update(told, raw=True)
        else:
            self._handle = display(told, raw=True, display_id=True)


def _text(show) -> str:
    """What the terminal would say, as text."""
    from rich.console import Console

    # else rich displays by itself
    console = Console(file=io.StringIO(), width=80, highlight=False, force_jupyter=False, force_terminal=False)
    show(console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().rstrip("\n").split("\n"))
