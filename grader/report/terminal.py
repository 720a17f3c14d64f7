"""A Verdict for the terminal: beautiful at 80 columns and in colour, readable when piped. What matters most stands
last, where a terminal stops."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from grader.course.cases import TRANSFORMS
from grader.course.verdict import EntryVerdict, Finding, Status, Verdict
from grader.report import words
from grader.report.words import COMMAND

WIDE = 72  # letters that commands may take beside each other
COMMANDS = re.compile(rf'`[^`]*`|{COMMAND}(?: [a-z]+)?(?: \d+)?(?: "[^"]*")?')
KEPT = "\ue000"  # a space within a command, at which no line ends
STYLE = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.NOT_WRITTEN: "dim",
    Status.UNCHECKED: "yellow",
    Status.COURSE: "bold yellow",
}


def show(verdict: Verdict, console: Console, *, verbose: bool = False, upcoming: str = "", steps: bool = True) -> None:
    """Prints a verdict. `upcoming` is the line that says what to try after a pass; without `steps` nothing is said of
    what to try after a failure."""
    with trimmed(console):
        _render(verdict, console, verbose, upcoming, steps)


def record(verdict: Verdict, console: Console) -> None:
    """Prints a verdict to a console that records, which nothing can be trimmed for."""
    _render(verdict, console, False, "", True)


@contextlib.contextmanager
def trimmed(console: Console):
    """Prints what the block prints without the blanks with which rich fills lines up to the width."""
    with console.capture() as captured:
        yield
    console.file.write(without_padding(captured.get()))
    console.file.flush()


def without_padding(text: str) -> str:
    return "".join(line.rstrip() + "\n" for line in text.replace(KEPT, " ").splitlines())


def _render(verdict: Verdict, console: Console, verbose: bool, upcoming: str, steps: bool) -> None:
    if verdict.status == Status.PASSED and not verbose:
        what, how = words.passed(verdict)
        console.print(_line(_marked(Status.PASSED), (what, "bold"), (how, "")))
    else:
        console.print(_heading(verdict, console))
        if not verdict.trouble and verdict.status != Status.NOT_WRITTEN:
            why = words.reasons(verdict.entries)
            for entry in verdict.entries:
                console.print(_overall(entry, verbose, why))
            legend = words.legend(verdict.entries)
            if legend:
                console.print(Padding(Text(legend, style="dim"), (0, 0, 0, 1)))
    _show_prints(verdict, console, verbose)
    for note in verdict.notes:
        console.print(Padding(Text(note, style="yellow"), (1, 0, 0, 1)))
    if verdict.trouble:
        console.print(_trouble(verdict))
    elif verdict.status == Status.NOT_WRITTEN:
        console.print(
            Padding(
                _line(
                    _marked(Status.NOT_WRITTEN),
                    ("not written yet: ", ""),
                    (", ".join(e.name for e in verdict.entries), "bold"),
                ),
                (1, 0, 0, 1),
            )
        )
        console.print(_next(words.opening(verdict)))
    else:
        failing = words.failing(verdict)
        for entry in failing:
            console.print(_reason(entry, verdict))
        if len(failing) > 1:
            console.print(
                Padding(
                    Group(
                        *(
                            _line(_marked(Status.FAILED), (entry.name, "bold"), (f"   {words.reason(entry)}", ""))
                            for entry in failing
                        )
                    ),
                    (1, 0, 0, 1),
                )
            )
        if failing and steps:
            commands = [
                f"{COMMAND} hint {verdict.number}",
                *filter(None, (words.debugging(verdict, entry, here=True) for entry in failing)),
            ]
            in_a_line = "   or   ".join(commands)
            fits = len(verdict.entries) == 1 and len(in_a_line) <= WIDE
            steps = in_a_line if fits else "\n or    ".join(commands)
            # a command can be copied whole, where it is longer than the line too
            console.print(_line(("\n next: ", "dim"), (steps, "")), soft_wrap=True)
    if verdict.status == Status.PASSED and upcoming:
        console.print(_next(upcoming))


def one_line(verdict: Verdict) -> Text:
    """The verdict in a line, for `-q`."""
    told = ""
    if verdict.trouble:
        told = verdict.trouble.summary
    elif verdict.status != Status.PASSED:
        told = "; ".join(
            f"{words.title(entry.first, verdict)}: {words.reason(entry)}"
            for entry in words.failing(verdict) or [e for e in verdict.entries if e.first][:1]
        )
    return _line(
        _marked(verdict.status), (f"{verdict.number} {verdict.status.value}", "bold"), (f"  {told}" if told else "", "")
    )


def _heading(verdict: Verdict, console: Console) -> Text:
    left = f" {verdict.number} · {verdict.title}"
    gap = " " * max(2, min(console.width, 80) - len(left) - len(verdict.path))
    return _line((left, "bold"), (gap + verdict.path, "dim"))


def _trouble(verdict: Verdict):
    finding = verdict.trouble
    parts = [_line(_marked(finding.status), (finding.summary, "bold"))]
    parts += _source(finding, verdict.path)
    if finding.status == Status.NOT_WRITTEN:
        return Group(Padding(Group(*parts), (1, 0, 0, 1)), _next(finding.advice))
    return Padding(Group(*parts, Text(finding.advice)) if finding.advice else Group(*parts), (1, 0, 0, 1))


def _overall(entry: EntryVerdict, verbose: bool, why: Mapping[str, str]):
    """How a name stands: in a line where that says everything, else in a table of its checks; `why` are the reasons for
    which some could not be made."""
    told = words.in_a_line(entry)
    if told and not (verbose and entry.status == Status.PASSED):
        return Padding(_line(_marked(entry.status), (entry.name, "bold"), (f" {told}", "")), (1, 0, 0, 1))
    return Padding(_table(entry, why), (1, 0, 0, 1)) if words.has_table(entry) else Group()


def _reason(entry: EntryVerdict, verdict: Verdict):
    """The first check that a name fails, and the mistake where it is known."""
    parts = [Padding(_failure(entry.first, verdict), (1, 0, 0, 1))]
    name, told = words.diagnosis(entry)
    if name:
        parts += [
            Padding(
                Panel(
                    Text("\n\n".join(told)),
                    title=Text(name, "bold"),
                    title_align="left",
                    border_style="yellow",
                    width=78,
                ),
                (1, 0, 0, 1),
            )
        ]
    return Group(*parts)


def _table(entry: EntryVerdict, why: Mapping[str, str]):
    """One row a case and one column a transform, then the checks of the whole."""
    layout = words.layout(entry)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(Text(entry.name, style="bold"), min_width=34)
    for transform in TRANSFORMS:
        table.add_column(transform, justify="center", min_width=5)
    for case in layout.cases:
        table.add_row(Text(case), *(_mark(layout.table.get((case, transform)), why) for transform in TRANSFORMS))
    proofs = [
        _line(
            (f"{words.mark(f, why)} ", STYLE[f.status]),
            (f.check.case, ""),
            (f"   {f.summary}" if f.status == Status.PASSED and f.summary else "", "dim"),
        )
        for f in layout.proofs
    ]
    if not layout.whole and not proofs:
        return table
    line = Text()
    for finding in layout.whole:
        line.append_text(_mark(finding, why)).append(f" {words.structure(finding)}   ")
    return Group(*([table] if layout.cases else []), *proofs, *([line] if layout.whole else []))


def _mark(finding: Finding | None, why: Mapping[str, str]) -> Text:
    return (
        Text(words.NO_CHECK, style="dim")
        if finding is None
        else Text(words.mark(finding, why), style=STYLE[finding.status])
    )


def _marked(status: Status) -> tuple[str, str]:
    """The mark at the beginning of a line."""
    return f"{words.MARK[status]} ", STYLE[status]


def _failure(finding: Finding, verdict: Verdict):
    parts = [
        _line(_marked(Status.FAILED), (words.title(finding, verdict), "bold"), (f"   {finding.inputs}", "dim")),
        Text(words.sentence(finding.summary)),
    ]
    if finding.detail:
        parts.append(Padding(Text(finding.detail), (1, 0, 0, 2)))
    parts += _source(finding, verdict.path)
    if finding.difference is not None:
        parts.append(Padding(_difference(finding), (1, 0, 0, 0)))
    if finding.advice:
        parts.append(Padding(Text(finding.advice), (1 if finding.difference is not None else 0, 0, 0, 0)))
    return Group(*parts)


def _difference(finding: Finding):
    from grader.report import picture

    difference = finding.difference
    relation = difference.leaf == "property"
    if difference.told:  # its arrays are gone
        return Text(f"where: {difference.told.where}", style="dim")
    grid = Table(box=None, padding=(0, 4, 0, 0), header_style="dim", show_edge=False)
    if not relation and difference.expected.size > 0:
        expected, came, place = picture.values(difference)
        grid.add_column("expected")
        grid.add_column("yours")
        grid.add_row("\n".join(expected), Text("\n".join(came), style="red"))
    rows = picture.error_map(difference)
    axes = words.PROPERTY_AXES if relation else ""
    parts = [] if relation else [grid]
    if not relation and place:
        parts.append(Text(f"({place})", style="dim"))
    if difference.wrong.size > 1:
        places = picture.blocks(difference)
        if places:
            rows = [f"{place.rjust(max(map(len, places)))}  {row}" for place, row in zip(places, rows)]
        map_ = Text("\n".join(rows), style="red")
        parts.append(
            Padding(
                Group(
                    Text(
                        f"where: {picture.where(difference)} {axes or picture.scale(difference)}".rstrip(), style="dim"
                    ),
                    Padding(map_, (0, 0, 0, 2)),
                ),
                (0 if relation else 1, 0, 0, 0),
            )
        )
    return Group(*parts)


def _source(finding: Finding, path: str) -> list:
    return [
        _line((f"  {place}", "dim"), (f"   {text}" if text else "", "cyan"))
        for place, text in words.source(finding, path)
    ]


def _show_prints(verdict: Verdict, console: Console, verbose: bool) -> None:
    prints = words.prints(verdict)
    shown = prints if verbose else prints[:2]
    for where, lines in shown:
        rows, left = ([Text("\n".join(lines))], "") if verbose else _fitting(lines, console)
        console.print(Padding(Text(where, style="dim"), (1, 0, 0, 1)))
        console.print(Padding(Group(*rows), (0, 0, 0, 3)))
        if left:
            console.print(Padding(Text(f"… {left}; -v shows the rest", style="dim"), (0, 0, 0, 3)))
    if len(prints) > len(shown):
        console.print(
            Padding(
                Text(f"… and in {words.count(len(prints) - len(shown), 'more call')}; -v shows the rest", style="dim"),
                (0, 0, 0, 1),
            )
        )


def _fitting(lines: Sequence[str], console: Console) -> tuple[list[Text], str]:
    """The first rows on the screen that lines take, and what is left out, since one line may take many."""
    rows: list[Text] = []
    for nth, line in enumerate(lines):
        room, taken = words.PRINTED_LINES - len(rows), Text(line).wrap(console, max(1, console.width - 3))
        if len(taken) > room:
            following = len(lines) - nth - (room > 0)
            cut = [f"the rest of a line of {len(line):,} characters"] if room else []
            return [*rows, *taken[:room]], " and ".join(
                [*cut, *([words.count(following, "more line")] if following else [])]
            )
        rows += taken
    return rows, ""


def _next(text: str):
    return Padding(_line(("next: ", "dim"), (_kept(text), "")), (1, 0, 0, 1))


def _kept(text: str) -> str:
    """The text, in which no line ends within a command: it can be copied whole."""
    return COMMANDS.sub(lambda found: found[0].replace(" ", KEPT), text)


def _line(*parts: tuple[str, str]) -> Text:
    return Text.assemble(*parts)


def overview(parts: Mapping[str, Sequence[tuple[int, str, str, str]]], console: Console, upcoming: str) -> None:
    """The track at a glance, part by part: number, title, state and style for each problem."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "problem", "state"):
        table.add_column(column)
    for part, rows in parts.items():
        if part:
            table.add_row("", Text(part, style="bold cyan"), "")
        for number, title, state, style in rows:
            table.add_row(Text(str(number), style="bold"), Text(title), Text(state, style=style))
    with trimmed(console):
        console.print(table)
        console.print(_next(upcoming))
