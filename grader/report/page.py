"""A Verdict as a fragment of HTML that stands on its own: for a notebook's output or a page of the site, on a light or
dark ground."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from grader.course.cases import TRANSFORMS
from grader.course.verdict import EntryVerdict, Finding, Status, Verdict
from grader.report import words
from grader.report.markup import Markup, join, tag


def verdict_page(
    verdict: Verdict, *, hints: Sequence[str] = (), upcoming: str = "", cell: bool = False, styled: bool = True
) -> Markup:
    """Everything that is said of a verdict. `cell` says that the stub stands in a notebook's cell; `upcoming` is what
    to try after a pass.

    Not `styled`, it is a part of a page that has the style (`style`) once.
    """
    if verdict.status == Status.PASSED:
        what, how = words.passed(verdict)
        parts = [
            _line(Status.PASSED, tag("strong", what), how),
            tag("details", tag("summary", "every check"), *(_table(entry) for entry in verdict.entries)),
        ]
    else:
        parts = [_heading(verdict), *(_trouble(verdict) if verdict.trouble else _entries(verdict))]
    parts += [
        _prints(verdict),
        *(tag("p", note, class_="gv-note") for note in verdict.notes),
        _next(_steps(verdict, upcoming, cell, bool(hints))),
    ]
    if verdict.status in (Status.FAILED, Status.NOT_WRITTEN):
        parts.append(_unfolding(hints))
    return _fragment(
        f"verdict on {verdict.number} · {verdict.title}: {verdict.status.value}", verdict.status, *parts, styled=styled
    )


def hints_page(number: int, title: str, hints: Sequence[str]) -> Markup:
    """A problem's hints alone, one inside the other."""
    return _fragment(
        f"hints for {number} · {title}",
        Status.NOT_WRITTEN,
        tag("p", tag("strong", f"{number} · {title}")),
        _unfolding(hints),
    )


def line_page(told: str) -> Markup:
    """One line, such as what is going on."""
    return _fragment(told, Status.NOT_WRITTEN, tag("p", told))


def _fragment(label: str, status: Status, *parts: object, styled: bool = True) -> Markup:
    """The parts in a box with its style. MathJax is kept away from a student's `$`; a hint asks it back."""
    look = f"gv gv-box tex2jax_ignore mathjax_ignore {_class(status)}"
    return tag("div", style() if styled else "", *parts, class_=look, role="group", aria_label=label)


@functools.cache
def style(path: Path = Path(__file__).with_name("page.css")) -> Markup:
    """The style of a verdict, or the one in another file."""
    text = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL))
    return tag("style", Markup(text.strip()))


def _class(status: Status) -> str:
    return f"gv-{status.name.lower().replace('_', '-')}"


def _heading(verdict: Verdict) -> Markup:
    # else the next line has it
    mark = join(_mark(verdict.status), " ") if verdict.status == Status.FAILED and not verdict.trouble else ""
    title = tag("span", mark, tag("strong", f"{verdict.number} · {verdict.title}"))
    return tag("p", title, " ", tag("span", verdict.path, class_="gv-path"), class_="gv-heading")


def _trouble(verdict: Verdict) -> list[Markup]:
    finding = verdict.trouble
    advice = finding.advice if finding.status != Status.NOT_WRITTEN else ""  # then it is the next step
    return [
        _line(finding.status, tag("strong", prose(finding.summary))),
        _source(finding, verdict.path),
        _paragraph(advice),
    ]


def _entries(verdict: Verdict) -> list[Markup]:
    if verdict.status == Status.NOT_WRITTEN:
        return [
            _line(
                Status.NOT_WRITTEN,
                "not written yet: ",
                tag("strong", ", ".join(entry.name for entry in verdict.entries)),
            )
        ]
    return [_entry(entry, verdict) for entry in verdict.entries]


def _entry(entry: EntryVerdict, verdict: Verdict) -> Markup:
    told = words.in_a_line(entry)
    if told:
        return _line(entry.status, tag("strong", tag("code", entry.name)), f" {told}")
    name, said = words.diagnosis(entry)
    panel = (
        tag("div", tag("p", tag("strong", name)), *(tag("p", prose(part)) for part in said), class_="gv-panel")
        if name
        else ""
    )
    legend = words.legend([entry])
    return join(
        _table(entry) if words.has_table(entry) else "",
        tag("p", legend, class_="gv-dim") if legend else "",
        _failure(entry.first, verdict),
        panel,
    )


def _table(entry: EntryVerdict) -> Markup:
    """One row a case and one column a transform, then the checks of the whole."""
    layout, why = words.layout(entry), words.reasons([entry])
    head = tag(
        "tr",
        tag("th", tag("code", entry.name), scope="col"),
        *(tag("th", transform, scope="col") for transform in TRANSFORMS),
    )
    body = [
        tag(
            "tr",
            tag("th", case, scope="row"),
            *(tag("td", _check(layout.table.get((case, transform)), why)) for transform in TRANSFORMS),
        )
        for case in layout.cases
    ]
    proofs = [
        tag(
            "li",
            _check(f, why),
            f" {f.check.case}",
            tag("span", f" {f.summary}", class_="gv-dim") if f.status == Status.PASSED and f.summary else "",
        )
        for f in layout.proofs
    ]
    whole = [tag("li", _check(f, why), f" {words.structure(f)}") for f in layout.whole]
    return join(
        tag("table", tag("thead", head), tag("tbody", *body), class_="gv-checks") if body else "",
        tag("ul", *proofs, class_="gv-list") if proofs else "",
        tag("ul", *whole, class_="gv-list gv-inline") if whole else "",
    )


def _check(finding: Finding | None, why: Mapping[str, str]) -> Markup:
    if finding is None:
        return tag("span", words.NO_CHECK, role="img", aria_label="does not apply")
    return _mark(finding.status, words.mark(finding, why))


def _mark(status: Status, sign: str = "") -> Markup:
    """A sign that is read aloud as what it means."""
    return tag(
        "span", sign or words.MARK[status], class_=f"gv-mark {_class(status)}", role="img", aria_label=status.value
    )


def _failure(finding: Finding, verdict: Verdict) -> Markup:
    parts = [
        _line(
            Status.FAILED,
            tag("strong", words.title(finding, verdict)),
            "  ",
            tag("span", finding.inputs, class_="gv-inputs"),
        ),
        _paragraph(words.sentence(finding.summary)),
    ]
    if finding.detail:
        parts.append(tag("pre", finding.detail))
    parts.append(_source(finding, verdict.path))
    if finding.difference is not None:
        from grader.report.heatmap import heatmaps

        parts.append(heatmaps(finding.difference))
    return tag("div", *parts, _paragraph(finding.advice), class_="gv-failure")


def _source(finding: Finding, path: str) -> Markup:
    """The student's own lines."""
    lines = [
        tag("li", tag("span", place, class_="gv-path"), tag("code", text) if text else "")
        for place, text in words.source(finding, path)
    ]
    return tag("ul", *lines, class_="gv-list gv-source") if lines else Markup()


def _prints(verdict: Verdict) -> Markup:
    """What was printed: the first lines of the first two texts, and the rest folded."""
    texts = [_printed(where, lines) for where, lines in words.prints(verdict)]
    return join(
        *texts[:2], _folded(f"and in {words.count(len(texts) - 2, 'more call')}", *texts[2:]) if len(texts) > 2 else ""
    )


def _printed(where: str, lines: list[str]) -> Markup:
    shown, more = lines[: words.PRINTED_LINES], lines[words.PRINTED_LINES :]
    return join(
        tag("p", where, class_="gv-dim"),
        tag("pre", "\n".join(shown)),
        _folded(words.count(len(more), "more line"), tag("pre", "\n".join(more))) if more else "",
    )


def _folded(summary: str, *parts: Markup) -> Markup:
    return tag("details", tag("summary", summary), *parts)


def _steps(verdict: Verdict, upcoming: str, cell: bool, has_hints: bool) -> str:
    """What to do next."""
    if verdict.status == Status.PASSED:
        return upcoming
    if verdict.status == Status.NOT_WRITTEN:
        if cell:
            return "fill in the TODO in the cell above, and run it again"
        return verdict.trouble.advice if verdict.trouble else words.opening(verdict)
    if verdict.trouble:
        return ""
    debugging = next(filter(None, (words.debugging(verdict, entry) for entry in verdict.entries)), "")
    return ", or ".join(["open a hint below"] * has_hints + [f"run `{debugging}` in a terminal"] * bool(debugging))


def _next(text: str) -> Markup:
    return tag("p", tag("span", "next: ", class_="gv-dim"), prose(text), class_="gv-next") if text else Markup()


def _line(status: Status, *parts: object) -> Markup:
    return tag("p", _mark(status), " ", *parts)


def _paragraph(text: str) -> Markup:
    return tag("p", prose(text)) if text else Markup()


def prose(text: str) -> Markup:
    """A sentence with what stands between backticks as code."""
    parts = text.split("`")
    return (
        join(*(tag("code", part) if i % 2 else part for i, part in enumerate(parts))) if len(parts) % 2 else join(text)
    )


def _unfolding(hints: Sequence[str]) -> Markup:
    """Hints one inside the other, so that the second can be opened only after the first."""
    inner = Markup()
    for index, hint in reversed([*enumerate(hints, 1)]):
        text = tag("div", _markdown(hint), class_="tex2jax_process mathjax_process")
        inner = tag("details", tag("summary", f"hint {index} of {len(hints)}"), text, inner, class_="gv-hint")
    return inner


def _markdown(text: str) -> Markup:
    """Markdown as HTML. `$...$` is left for whoever shows it: JupyterLab typesets it, Colab shows it as it is
    written."""
    from markdown_it import MarkdownIt

    from grader.report.markdown import with_formulas

    return Markup(with_formulas(MarkdownIt("commonmark", {"html": False})).render(text))
