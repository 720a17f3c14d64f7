"""The page of answers that are alike: the two texts beside each other, with the lines that they share marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from grader.classroom.pages.overview import in_words
from grader.classroom.pages.sheet import sheet
from grader.classroom.pages.similar import LEAST, Alike, Side
from grader.report.markup import Markup, join, tag

SHOWN = 100  # of what is alike, those that are shown with their texts
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


def page(found: Sequence[Alike], names: Mapping[str, str] = MappingProxyType({})) -> Markup:
    """A document that needs no other file. `names` are what students are called."""
    told = [(alike, f"alike-{number}") for number, alike in enumerate(found, start=1)]
    more = f"The texts of the first {SHOWN} are below." if len(found) > SHOWN else ""
    return sheet(
        "Similar submissions",
        tag("style", STYLE),
        tag("h1", "Similar submissions"),
        tag("p", MEANING),
        tag("p", more) if more else "",
        _overview(told, names) if told else tag("p", "No two answers are alike."),
        *(_alike(alike, anchor, names) for alike, anchor in told[:SHOWN]),
    )


def _overview(told: Sequence[tuple[Alike, str]], names: Mapping[str, str]) -> Markup:
    head = tag(
        "tr",
        tag("th", "students", scope="col"),
        *(tag("th", name, scope="col", class_="number") for name in ("problem", "shares")),
        tag("th", "letters shared", scope="col", class_="number letters"),
    )
    rows = [
        tag(
            "tr",
            tag("td", tag("a", listed(alike, names), href=f"#{anchor}") if at < SHOWN else listed(alike, names)),
            tag("td", alike.problem, class_="number"),
            tag("td", _shares(alike), class_="number"),
            tag("td", alike.length, class_="number letters"),
        )
        for at, (alike, anchor) in enumerate(told)
    ]
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="list")


def _alike(alike: Alike, anchor: str, names: Mapping[str, str]) -> Markup:
    same, other = "letter for letter the same", f"{_shares(alike)} of what is neither the course's nor common"
    return tag(
        "section",
        tag("h2", f"{alike.problem} · ", listed(alike, names)),
        tag("p", same if alike.same else other, class_="faint"),
        tag("div", *(_side(side, names) for side in alike.sides), class_="sides"),
        class_="pair",
        id=anchor,
    )


def _side(side: Side, names: Mapping[str, str]) -> Markup:
    shared = set(side.lines)
    lines = [
        tag("span", line or " ", class_="shared" if number in shared else None)
        for number, line in enumerate(side.text.rstrip("\n").split("\n"), start=1)
    ]
    who = spelled(side.students, names)
    label = f"{who}: the lines that are shared have a bar at their left"
    return tag("div", tag("h3", tag("bdi", who)), tag("pre", *lines, class_="text", tabindex="0", aria_label=label))


def listed(alike: Alike, names: Mapping[str, str]) -> Markup:
    """Who they are, all of them."""
    *most, last = (tag("bdi", names.get(student, student)) for student in alike.students)
    return join(*[part for one in most for part in (one, ", ")][:-1], " and ", last)


def spelled(students: Sequence[str], names: Mapping[str, str], most: int | None = None) -> str:
    """`Ada, Bela and 3 more`."""
    called = [names.get(student, student) for student in students]
    if most and len(called) > most:
        called = [*called[: most - 1], f"{len(called) - most + 1} more"]
    return in_words(called)


def _shares(alike: Alike) -> str:
    return ", ".join(f"{100 * side.share:.0f} %" for side in alike.sides)
