"""The pages of a problem in the terminal: its hints, one more each time, and its lesson."""

from __future__ import annotations

import os
import pydoc
import re
import sys
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console
from rich.markdown import CodeBlock, Heading, Markdown, TextElement
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from grader.course.problem import CourseError, Problem
from grader.process import store
from grader.report import formula, narrow
from grader.report.markdown import with_formulas
from grader.report.terminal import KEPT, trimmed, without_padding
from grader.report.words import COMMAND
from grader.student.exercise import answers_last

INDENT = 2  # of code and formulas
WHOLE = 40  # letters of code within a sentence that stay on one line
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
DRAWS = re.compile(r'\balt="([^"]*)"')  # what a cell of a lesson that draws a figure says of it


def show_hint(problem: Problem, console, *, also_earlier: bool = False) -> None:
    """Shows the next hint (the last one again when there are no more), and remembers that it was shown."""
    root, hints = problem.folder.parents[1], problem.hints
    if not hints:
        raise CourseError(f"{problem.name} has no hints.md")
    shown = min(int(store.recall(root, problem.name).get("hints", 0)) + 1, len(hints))
    with trimmed(console):
        for index in range(0 if also_earlier else shown - 1, shown):
            console.print(f"hint {index + 1} of {len(hints)}", style="bold")
            console.print(_Page(hints[index]))
        store.remember(root, problem.name, hints=shown)
        left = len(hints) - shown
        console.print(
            f"{COMMAND} hint {problem.number} shows the next" if left else "that was the last hint", style="dim"
        )


def show_lesson(problem: Problem, console: Console) -> None:
    """Shows the lesson; in a terminal it is opened in a pager, at its beginning."""
    try:
        text = problem.lesson.read_text(encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{problem.name} has no README.md") from error
    notebook = problem.folder.parents[1] / "notebooks" / f"{problem.name}.ipynb"
    figures = (
        f"notebooks/{notebook.name}"
        if notebook.exists()
        else "the lesson's notebook, and its page on the course's site,"
    )
    page = _Page(answers_last(text), figures)
    if not (console.is_terminal and sys.stdin.isatty()):
        with trimmed(console):
            console.print(page)
        return
    with console.capture() as captured:
        console.print(page)
    _read(without_padding(captured.get()))


def _read(text: str) -> None:
    """Opens the user's pager on a text; in colours only where it is one that shows them, and is told to."""
    program = (os.environ.get("MANPAGER") or os.environ.get("PAGER") or "less").split()[0]
    if Path(program).stem == "less":
        os.environ["LESS"] = f"-R {os.environ.get('LESS', '')}".strip()
    else:
        text = COLOUR.sub("", text)
    pydoc.pager(text)


class _Heading(Heading):
    """Flush left, and no wider than its words."""

    def __rich_console__(self, console, options):
        self.text.justify = "left"
        yield self.text


class _Code(CodeBlock):
    """Code, what it prints, or a picture of letters, as narrow as the terminal; of code that draws a figure, what the
    figure shows."""

    def __rich_console__(self, console, options):
        text, width = str(self.text).rstrip(), options.max_width - INDENT
        if self.lexer_name == "python":
            shown = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(
                narrow.program(text, width)
            )
            shown.rstrip()
        else:
            shown = Text(narrow.printed(text, width), style="dim" if self.lexer_name == "text" else "")
        yield Padding(shown, (0, 0, 0, INDENT))


class _Aside(TextElement):
    """Lines that stand for themselves: a displayed formula, or what a figure shows."""

    style_name = "cyan"

    def __rich_console__(self, console, options):
        yield Padding(self.text, (0, 0, 0, INDENT))


class _Page(Markdown):
    """Markdown whose formulas are Unicode; `figures` is where its figures are."""

    elements = Markdown.elements | {"heading_open": _Heading, "fence": _Code, "code_block": _Code, "aside": _Aside}

    def __init__(self, text: str, figures: str = ""):
        super().__init__("", hyperlinks=False)
        parser = with_formulas(
            MarkdownIt().enable("strikethrough").enable("table"), lambda found: formula.in_a_line(found.strip("$"))
        )
        self.parsed = [*_set(parser.parse(text), figures)]


def _set(tokens: list[Token], figures: str):
    """The tokens; a paragraph that is a formula becomes an aside, and so does code that draws a figure."""
    displayed = {
        at
        for at, token in enumerate(tokens)
        if token.type == "inline" and re.fullmatch(r"\$\$[^$]+\$\$", token.content.strip())
    }
    table = False  # whose cells may be narrower than a piece of code
    for at, token in enumerate(tokens):
        table = token.type == "table_open" or table and token.type != "table_close"
        drawn = DRAWS.search(token.info) if token.type == "fence" else None
        if drawn:
            yield Token("aside", "", 0, content=f"figure: {drawn[1]}\n{figures} shows it")
        elif at in displayed:
            yield Token("aside", "", 0, content="\n".join(formula.in_lines(token.content.strip().strip("$"))))
        elif not {at - 1, at + 1} & displayed:  # the paragraph around a formula is none
            for part in token.children or ():
                if part.type == "code_inline" and len(part.content) <= WHOLE and not table:
                    part.content = part.content.replace(" ", KEPT)
            yield token
