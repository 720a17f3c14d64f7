"""A verdict as a terminal shows it, in an SVG that needs no other file."""

from __future__ import annotations

import io
import re

from rich.console import CONSOLE_SVG_FORMAT, Console

from grader.course.verdict import Verdict
from grader.report import terminal

# those would come from another host
NO_FONTS = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def drawn(verdict: Verdict, command: str) -> str:
    """The picture of a terminal of 80 columns, whose title is the command that was given."""
    console = Console(
        file=io.StringIO(), width=80, highlight=False, force_terminal=True, color_system="truecolor", record=True
    )
    terminal.record(verdict, console)
    return console.export_svg(title=command, code_format=NO_FONTS, unique_id="verdict").replace(terminal.KEPT, "&#160;")
