"""A Verdict for the terminal: beautiful at 80 columns and in colour, readable when piped."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from grader.problem import TRANSFORMS
from grader.verdict import EntryVerdict, Finding, Status, Verdict

MARKS = {Status.PASSED: ("✓", "green"), Status.FAILED: ("✗", "bold red"), Status.NOT_WRITTEN: ("○", "dim"),
         Status.UNCHECKED: ("?", "yellow"), Status.COURSE: ("!", "bold yellow")}
STRUCTURE = {"name": "name and signature", "parameters": "parameters", "state": "variables after the calls", "traces": "traced once", "leaks": "no leaked tracers", "end": "the end of the run"}
COMMAND = "python -m grader"


def show(verdict: Verdict, console: Console, *, verbose: bool = False, upcoming: str = "") -> None:
    """Prints a verdict. `upcoming` is the line that says what to try after a pass."""
    with _trimmed(console):
        _render(verdict, console, verbose, upcoming)


@contextlib.contextmanager
def _trimmed(console: Console):
    """Prints what the block prints without the blanks with which rich fills lines up to the width."""
    with console.capture() as captured:
        yield
    console.file.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))
    console.file.flush()


def _render(verdict: Verdict, console: Console, verbose: bool, upcoming: str) -> None:
    if verdict.status == Status.PASSED and not verbose:
        count = sum(len(entry.findings) for entry in verdict.entries)
        console.print(_line(("✓ ", "green"), (f"{verdict.number} · {verdict.title} passed", "bold"), (f": {count} checks in {verdict.seconds:.1f} s.", "")))
    else:
        console.print(_heading(verdict, console))
        if verdict.trouble:
            console.print(_trouble(verdict))
        elif verdict.status == Status.NOT_WRITTEN:
            console.print(Padding(_line(("○ ", "dim"), ("not written yet: ", ""), (", ".join(e.name for e in verdict.entries), "bold")), (1, 0, 0, 1)))
            console.print(_next(f"open {verdict.path} and fill in the TODO, or read {COMMAND} lesson {verdict.number}"))
        else:
            for entry in verdict.entries:
                console.print(_entry(entry, verdict, verbose))
    _show_prints(verdict, console, verbose)
    for note in verdict.notes:
        console.print(Text(note, style="yellow"))
    if verdict.status == Status.PASSED and upcoming:
        console.print(_next(upcoming))


def one_line(verdict: Verdict) -> Text:
    """The verdict in a line, for `-q`."""
    mark, style = MARKS[verdict.status]
    told = ""
    if verdict.trouble:
        told = verdict.trouble.summary
    elif verdict.status != Status.PASSED:
        entry = next((e for e in verdict.entries if e.first), None)
        if entry:
            told = f"{_title(entry.first)}: " + (spoken(entry.mistake) if entry.mistake else entry.first.summary)
    return _line((f"{mark} ", style), (f"{verdict.number} {verdict.status.value}", "bold"), (f"  {told}" if told else "", ""))


def spoken(name: str) -> str:
    return name.replace("_", " ")


def _heading(verdict: Verdict, console: Console) -> Text:
    left = f" {verdict.number} · {verdict.title}"
    gap = " " * max(2, min(console.width, 80) - len(left) - len(verdict.path))
    return _line((left, "bold"), (gap + verdict.path, "dim"))


def _trouble(verdict: Verdict):
    finding = verdict.trouble
    mark, style = MARKS[finding.status]
    parts = [_line((f"{mark} ", style), (finding.summary, "bold"))]
    parts += _source(finding, verdict.path)
    if finding.status == Status.NOT_WRITTEN:
        return Group(Padding(Group(*parts), (1, 0, 0, 1)), _next(finding.advice))
    return Padding(Group(*parts, Text(finding.advice)) if finding.advice else Group(*parts), (1, 0, 0, 1))


def _entry(entry: EntryVerdict, verdict: Verdict, verbose: bool):
    finding = entry.first
    if entry.status == Status.UNCHECKED:
        return Padding(_line(("? ", "yellow"), (entry.name, "bold"), (" could not be checked: the run was cut short before it", "")), (1, 0, 0, 1))
    if finding is None and not verbose:
        return Padding(_line(("✓ ", "green"), (entry.name, "bold"), (f" passed all {len(entry.findings)} checks", "")), (1, 0, 0, 1))
    if finding and finding.status == Status.NOT_WRITTEN:
        return Padding(_line(("○ ", "dim"), (entry.name, "bold"), (f" is not written yet ({finding.summary})", "")), (1, 0, 0, 1))
    parts = [Padding(_table(entry), (1, 0, 0, 1))] if finding is None or finding.check.kind != "name" else []
    if finding:
        parts += [Padding(_failure(finding, verdict), (1, 0, 0, 1))]
        if entry.mistake:
            parts += [Padding(Panel(Text(entry.sentence), title=Text(spoken(entry.mistake), "bold"), title_align="left", border_style="yellow", width=78), (1, 0, 0, 1))]
        steps = f"{COMMAND} hint {verdict.number}"
        if finding.check.kind not in ("name", "end"):
            which = f' "{entry.name} {finding.check.case}"' if len(verdict.entries) > 1 else ""
            steps += f"\nor    {COMMAND} debug {verdict.number}{which}" if which else f"   or   {COMMAND} debug {verdict.number}"
        parts += [_next(steps)]
    return Group(*parts)


def _table(entry: EntryVerdict):
    """One row a case and one column a transform, then the checks of the whole."""
    by_check = {(f.check.case, f.check.kind): f for f in entry.findings}
    rows = list(dict.fromkeys(f.check.case for f in entry.findings if f.check.kind in TRANSFORMS))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(Text(entry.name, style="bold"), min_width=34)
    for transform in TRANSFORMS:
        table.add_column(transform, justify="center", min_width=5)
    for case in rows:
        table.add_row(Text(case), *(_mark(by_check.get((case, transform))) for transform in TRANSFORMS))
    proofs = [_line(_mark_of(f), (f" {f.check.case}", ""), (f"   {f.summary}" if f.status == Status.PASSED and f.summary else "", "dim"))
              for f in entry.findings if f.check.kind == "proof"]
    rest = [f for f in entry.findings if f.check.kind not in (*TRANSFORMS, "proof")]
    if not rest and not proofs:
        return table
    line = Text()
    for finding in rest:
        line.append_text(_mark(finding)).append(f" {STRUCTURE.get(finding.check.kind, finding.check.kind)}   ")
    return Group(*([table] if rows else []), *proofs, *([line] if rest else []))


def _mark(finding: Finding | None) -> Text:
    return Text("–", style="dim") if finding is None else Text(*_mark_of(finding))


def _mark_of(finding: Finding) -> tuple[str, str]:
    return MARKS[finding.status]


def _title(finding: Finding) -> str:
    if finding.check.kind == "proof":
        return finding.check.case
    kind = STRUCTURE.get(finding.check.kind, finding.check.kind)
    return f"{finding.check.case} · {kind}" if finding.check.case and finding.check.kind in TRANSFORMS else kind


def _failure(finding: Finding, verdict: Verdict):
    parts = [_line(("✗ ", "bold red"), (_title(finding), "bold"), (f"   {finding.inputs}", "dim")), Text(_sentence(finding.summary))]
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
    grid = Table(box=None, padding=(0, 4, 0, 0), header_style="dim", show_edge=False)
    if not relation and difference.expected.size > 0:
        expected, came, place = picture.values(difference)
        grid.add_column("expected")
        grid.add_column("yours")
        grid.add_row("\n".join(expected), Text("\n".join(came), style="red"))
    rows = picture.error_map(difference)
    axes = "(rows: changes, columns: output rows)" if relation else ""
    parts = [] if relation else [grid]
    if not relation and place:
        parts.append(Text(f"({place})", style="dim"))
    if difference.wrong.size > 1:
        map_ = Text("\n".join(rows), style="red")
        parts.append(Padding(Group(Text(f"where: {picture.where(difference)} {axes}".rstrip(), style="dim"), Padding(map_, (0, 0, 0, 2))), (0 if relation else 1, 0, 0, 0)))
    return Group(*parts)


def _source(finding: Finding, path: str) -> list:
    shown = []
    for number, function, text in finding.lines[-3:]:
        place = f"{path}:{number}" + (f" in {function}" if function and function != "<module>" else "")
        shown.append(_line((f"  {place}", "dim"), (f"   {text.strip()}" if text else "", "cyan")))
    return shown


def _show_prints(verdict: Verdict, console: Console, verbose: bool) -> None:
    failing = {f"{entry.first.check.kind} · {entry.first.check.case}" for entry in verdict.entries if entry.first}
    prints = sorted(verdict.prints, key=lambda part: part[0] not in failing)        # what the failing case printed comes first
    shown = prints if verbose else prints[:2]
    for where, text in shown:
        lines = text.splitlines()
        most = len(lines) if verbose else 12
        console.print(Padding(Text(f"your code printed ({where}):", style="dim"), (1, 0, 0, 1)))
        console.print(Padding(Text("\n".join(lines[:most])), (0, 0, 0, 3)))
        if len(lines) > most:
            console.print(Padding(Text(f"… {_count(len(lines) - most, 'more line')}; -v shows the rest", style="dim"), (0, 0, 0, 3)))
    if len(verdict.prints) > len(shown):
        console.print(Padding(Text(f"… and in {_count(len(verdict.prints) - len(shown), 'more call')}; -v shows the rest", style="dim"), (0, 0, 0, 1)))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", ":")) else ".")


def _next(text: str):
    return Padding(_line(("next: ", "dim"), (text, "")), (1, 0, 0, 1))


def _line(*parts: tuple[str, str]) -> Text:
    return Text.assemble(*parts)


def overview(rows: Sequence[tuple[int, str, str, str]], console: Console, upcoming: str) -> None:
    """The track at a glance: number, title, state and style for each problem."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "problem", "state"):
        table.add_column(column)
    for number, title, state, style in rows:
        table.add_row(Text(str(number), style="bold"), Text(title), Text(state, style=style))
    with _trimmed(console):
        console.print(table)
        console.print(_next(upcoming))
