"""The page of similar pairs: the two texts of each beside each other, with the lines that they share marked."""

from __future__ import annotations

from collections.abc import Sequence

from grader.classroom.pages.sheet import sheet
from grader.classroom.pages.similar import LEAST, Pair, Side
from grader.report.markup import Markup, join, tag

SHOWN = 100  # pairs that are shown with their texts
STYLE = Markup("""
main { max-width: 92rem; }
main > p, main > table { max-width: 52rem; }
@media (max-width: 34rem) { .letters { display: none; } table.list td:first-child { min-width: 7rem; } }
.pair { break-inside: avoid; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
.sides h3 { margin: .4rem 0; }
.text { margin: 0; padding: .5rem 0; background: var(--tint); border-radius: 6px; overflow-x: auto; white-space: pre;
        font: .84rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.text span { display: block; width: max-content; min-width: 100%; padding: 0 .8rem; border-left: 4px solid transparent; }
.text span.shared { border-left-color: var(--failed); background: color-mix(in srgb, var(--failed) 14%, transparent); }
""")  # noqa: E501
MEANING = f"""A share is how much of a student's text stands in the other's as well, in the same order, whatever the variables are called.
Not counted are the shipped stub, the lesson, comments and blanks, and passages that many of the class have.
Answers that share less than {LEAST} letters of code beyond that, some six lines, are too short to tell and are not listed.
A high share is a reason to look at the two texts, and no proof of anything: one approach leads to similar code."""  # noqa: E501


def page(pairs: Sequence[Pair]) -> Markup:
    """A document that needs no other file."""
    told = [(pair, f"pair-{number}") for number, pair in enumerate(pairs, start=1)]
    more = f"The texts of the first {SHOWN} are below." if len(pairs) > SHOWN else ""
    return sheet(
        "Similar submissions",
        tag("style", STYLE),
        tag("h1", "Similar submissions"),
        tag("p", MEANING),
        tag("p", more) if more else "",
        _overview(told) if told else tag("p", "There are no such pairs."),
        *(_pair(pair, name) for pair, name in told[:SHOWN]),
    )


def _overview(told: Sequence[tuple[Pair, str]]) -> Markup:
    head = tag(
        "tr",
        tag("th", "students", scope="col"),
        *(tag("th", name, scope="col", class_="number") for name in ("problem", "shares")),
        tag("th", "letters shared", scope="col", class_="number letters"),
    )
    rows = [
        tag(
            "tr",
            tag("td", tag("a", _names(pair), href=f"#{name}") if at < SHOWN else _names(pair)),
            tag("td", pair.problem, class_="number"),
            tag("td", _shares(pair), class_="number"),
            tag("td", pair.length, class_="number letters"),
        )
        for at, (pair, name) in enumerate(told)
    ]
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="list")


def _pair(pair: Pair, name: str) -> Markup:
    what = "letter for letter the same" if pair.same else f"{_shares(pair)} of what is neither the course's nor common"
    heading = tag("h2", f"{pair.problem} · ", _names(pair))
    return tag(
        "section",
        heading,
        tag("p", what, class_="faint"),
        tag("div", *map(_side, pair.sides), class_="sides"),
        class_="pair",
        id=name,
    )


def _side(side: Side) -> Markup:
    shared = set(side.lines)
    lines = [
        tag("span", line or " ", class_="shared" if number in shared else None)
        for number, line in enumerate(side.text.rstrip("\n").split("\n"), start=1)
    ]
    label = f"{side.student}: the lines that are shared have a bar at their left"
    return tag(
        "div", tag("h3", tag("bdi", side.student)), tag("pre", *lines, class_="text", tabindex="0", aria_label=label)
    )


def _names(pair: Pair) -> Markup:
    return join(tag("bdi", pair.one), " and ", tag("bdi", pair.other))


def _shares(pair: Pair) -> str:
    return ", ".join(f"{100 * side.share:.0f} %" for side in pair.sides)
