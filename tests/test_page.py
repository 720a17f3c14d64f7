"""A verdict as HTML: what stands in it, that nothing in it can run, and what the heatmaps show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from grader.course.verdict import Check, Difference, EntryVerdict, Finding, Status
from grader.report import heatmap, page
from tests.browser import browser, serious  # noqa: F401  (a fixture)
from tests.test_report import (
    CUT_SHORT,
    FAILED,
    NOT_WRITTEN,
    PASSED,
    PRINTS,
    PROPERTY,
    RAISED,
    RIGHT_ONE,
    STUB,
    UNWRITTEN,
    VALUES,
    VERDICTS,
    difference,
    finding,
    verdict,
)

HINTS = ("Look at `q.shape`.", "Then **divide**.", "Nearly the answer.")
CSS = Path(page.__file__).with_name("page.css").read_text(encoding="utf-8")


@dataclass
class Node:
    """An element: its tag, attributes, and the texts and elements in it."""

    tag: str
    attributes: dict = field(default_factory=dict)
    children: list = field(default_factory=list)

    def all(self, tag: str = "", **attributes):
        """Every element inside, by its tag and attributes, in order."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        for child in self.children:
            if isinstance(child, Node):
                if tag in ("", child.tag) and wanted.items() <= child.attributes.items():
                    yield child
                yield from child.all(tag, **attributes)

    @property
    def text(self) -> str:
        """What is read, without the style."""
        return (
            ""
            if self.tag == "style"
            else "".join(child if isinstance(child, str) else child.text for child in self.children)
        )


class Tree(HTMLParser):
    """Reads a fragment; every element has to be closed, in order."""

    def __init__(self):
        super().__init__()
        self.open = [Node("")]

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs)
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in {"br", "hr"}:
            self.open.append(node)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


def parsed(html: str) -> Node:
    tree = Tree()
    tree.feed(html)
    tree.close()
    (root,) = tree.open
    (fragment,) = root.children
    return fragment


def shown(told, **options) -> Node:
    return parsed(page.verdict_page(told, **options))


def lines(node: Node) -> list[str]:
    """The texts of paragraphs, list items and summaries, in order."""
    return [re.sub(r"\s+", " ", part.text).strip() for part in node.all() if part.tag in ("p", "li", "summary", "pre")]


# Every kind of verdict


@pytest.mark.parametrize("told", VERDICTS.values(), ids=VERDICTS)
def test_a_fragment_stands_on_its_own(told):
    """No script, no resource from elsewhere, no id that a second fragment in the page would have too."""
    html = page.verdict_page(told, hints=HINTS)
    for node in parsed(html).all():
        assert node.tag not in {"script", "link", "img", "iframe", "object", "embed", "a", "form", "input"}
        assert not {
            name
            for name in node.attributes
            if name.startswith("on") or name in ("id", "src", "href", "srcset", "action")
        }
    assert not re.search(r"url\(|@import|https?:|javascript:", html)


@pytest.mark.parametrize("told", VERDICTS.values(), ids=VERDICTS)
def test_a_fragment_is_named_and_its_signs_are_read_aloud(told):
    """The fragment says which verdict it is, and each sign has a name; without colours and pictures everything can
    still be told apart."""
    fragment = shown(told)
    assert fragment.attributes["role"] == "group"
    assert fragment.attributes["aria-label"] == f"verdict on 7 · A small thing: {told.status.value}"
    signs = [node for node in fragment.all("span") if node.text in ("✓", "✗", "○", "?", "!", "–")]
    assert all(node.attributes["role"] == "img" for node in signs)
    assert {(node.text, node.attributes["aria-label"]) for node in signs} <= {
        ("✓", "passed"),
        ("✗", "failed"),
        ("○", "not written"),
        ("?", "could not be checked"),
        ("!", "course at fault"),
        ("–", "does not apply"),
    }
    assert all(len([*cell.all("span", role="img")]) == 1 for cell in fragment.all("td"))


@pytest.mark.parametrize("told", VERDICTS.values(), ids=VERDICTS)
def test_hints_are_for_those_who_need_them(told):
    """A failing and an unwritten stub have hints, each inside the one before; a pass and a fault of the course have
    none."""
    hints = [*shown(told, hints=HINTS).all("details", class_="gv-hint")]
    assert len(hints) == (3 if told.status in (FAILED, NOT_WRITTEN) else 0)
    for index, hint in enumerate(hints):
        assert [s.text for s in hint.all("summary")] == [f"hint {n} of 3" for n in range(index + 1, 4)]
    assert not [*shown(told).all("details", class_="gv-hint")]


def test_a_failure_in_words():
    """Heading, checks of the whole, the first failing case with its advice, the named mistake, and the next step."""
    assert lines(shown(verdict(FAILED, VALUES), hints=HINTS)) == [
        "✗ 7 · A small thing problems/07_small_thing/stub.py",
        "✓ traced once",
        "? no leaked tracers",
        "– does not apply ? could not be checked",
        "✗ small · eager x (3, 4)",
        "5 of 12 values of the output differ.",
        "where: rows 1–2 of 3, every column",
        "Do this.",
        "forgot it",
        "You forgot x[i] and [/]: this sentence is long enough to be wrapped at the width of its panel.",
        "next: open a hint below, or run python -m grader debug 7 in a terminal",
        "hint 1 of 3",
        "Look at q.shape.",
        "hint 2 of 3",
        "Then divide.",
        "hint 3 of 3",
        "Nearly the answer.",
    ]


def test_the_table_has_a_row_a_case_and_a_column_a_transform():
    """Rows and columns have headers, and each cell the mark that the terminal shows."""
    (table,) = shown(verdict(FAILED, VALUES)).all("table")
    rows = [[cell.text for cell in row.all() if cell.tag in ("th", "td")] for row in table.all("tr")]
    assert rows == [["f", "eager", "jit", "vmap", "grad"], ["small", "✗", "✓", "✗", "–"], ["large", "✓", "?", "–", "–"]]
    assert [node.attributes["scope"] for node in table.all("th")] == ["col"] * 5 + ["row"] * 2


def test_an_error_with_the_students_own_lines():
    """The last three lines of the student's own are shown, where they stand and what they say."""
    assert lines(shown(verdict(FAILED, RAISED)))[1:] == [
        "– does not apply",
        "✗ small · eager x (3, 4)",
        "Line 9 raises ValueError: no.",
        f"{STUB}:3import x",
        f"{STUB}:5 in graise ValueError('[no]')",
        f"{STUB}:9 in h",
        "next: run python -m grader debug 7 in a terminal",
    ]


def test_a_claim_about_the_program():
    """A proof stands below the table, with what was found where it holds."""
    proofs = EntryVerdict(
        "f",
        FAILED,
        (
            finding("eager", "small"),
            finding("proof", "one loop", summary="1 scan"),
            finding("proof", "nothing large", FAILED, summary="there is a large array", inputs="x (3, 4)"),
        ),
    )
    assert lines(shown(verdict(FAILED, proofs)))[1:6] == [
        "✓ one loop 1 scan",
        "✗ nothing large",
        "– does not apply",
        "✗ nothing large x (3, 4)",
        "There is a large array.",
    ]


def test_a_pass_is_calm():
    """A pass is one line and what comes next; the table waits behind a fold."""
    fragment = shown(verdict(PASSED, RIGHT_ONE, seconds=1.26), hints=HINTS, upcoming="8 · Another")
    assert lines(fragment) == [
        "✓ 7 · A small thing passed: 3 checks in 1.3 s.",
        "every check",
        "✓ no leaked tracers",
        "next: 8 · Another",
    ]
    (fold,) = fragment.all("details")
    assert "open" not in fold.attributes and [*fold.all("table")] == [*fragment.all("table")]


@pytest.mark.parametrize(
    "cell, told",
    [
        (True, "next: fill in the TODO in the cell above, and run it again"),
        (False, f"next: open {STUB} and fill in the TODO, or read the lesson: python -m grader lesson 7"),
    ],
)
def test_an_unwritten_stub_and_where_to_write(cell, told):
    """What is not written is named, and the next step is where the stub stands: in the cell or in its file."""
    assert lines(shown(verdict(NOT_WRITTEN, UNWRITTEN), cell=cell)) == [
        f"7 · A small thing {STUB}",
        "○ not written yet: f",
        told,
    ]


def test_an_untouched_stub():
    """The advice of an untouched stub is its next step, and is not said twice."""
    untouched = finding("import", status=NOT_WRITTEN, summary="the stub is as it came", advice="Open it.")
    assert lines(shown(verdict(NOT_WRITTEN, EntryVerdict("f", NOT_WRITTEN), trouble=untouched)))[1:] == [
        "○ the stub is as it came",
        "next: Open it.",
    ]


def test_trouble_with_the_file():
    """What keeps the file from running is all that is said, with its line."""
    assert lines(shown(VERDICTS["trouble"]))[1:] == [
        "✗ line 3 is not Python: invalid syntax",
        f"{STUB}:3return ][",
        "Nothing was run.",
    ]


def test_several_names():
    """Each name has its part: a line where that says all, everything where it failed."""
    told = lines(shown(verdict(FAILED, UNWRITTEN, CUT_SHORT, RIGHT_ONE, RAISED)))
    assert told[1:4] == [
        "○ f is not written yet (line 9 raises NotImplementedError: not written yet)",
        "? f could not be checked: the run was cut short before it",
        "✓ g passed all 3 checks",
    ]
    assert told[-1] == 'next: run python -m grader debug 7 "f small" in a terminal'


def test_prints_are_folded():
    """Of two texts the first twelve lines are seen, the failing case's first; the rest is there too, folded, and notes
    come after."""
    told = shown(verdict(FAILED, RAISED, prints=PRINTS, notes=("A note.",)))
    printed = lines(told)[7:]
    assert printed == [
        "your code printed (eager · small):",
        "0 1 2 3 4 5 6 7 8 9 10 11",
        "1 more line",
        "12",
        "your code printed (import):",
        "[bold]hi[/]",
        "and in 1 more call",
        "your code printed (jit · small):",
        "x",
        "A note.",
        "next: run python -m grader debug 7 in a terminal",
    ]


# What student code can put into a verdict


HOSTILE = "<img src=x onerror=alert(1)>\"'& </style></pre><script>alert(2)</script>`<b>`"


def test_whatever_student_code_says_is_text():
    """A hostile text in every field of a verdict stays text: no element comes of it, and it can be read as it was
    written."""

    def evil(name: str) -> str:
        return f"{name}{HOSTILE}"

    wrong = Finding(
        Check(evil("entry"), "eager", evil("case")),
        FAILED,
        evil("summary"),
        evil("detail"),
        evil("inputs"),
        difference([1.0], [2.0]),
        ((1, evil("function"), evil("source")),),
        evil("advice"),
    )
    other = [
        Finding(Check("f", kind, evil(f"case of {kind}")), PASSED, evil(f"summary of {kind}"))
        for kind in ("proof", evil("kind"))
    ]
    told = replace(
        verdict(
            FAILED,
            EntryVerdict(evil("name"), FAILED, (wrong, *other), evil("mistake"), evil("sentence")),
            notes=(evil("note"),),
            prints=((evil("where"), evil("print")),),
        ),
        title=evil("title"),
        path=evil("path"),
    )
    read = shown(told, hints=[evil("hint")], upcoming=evil("upcoming"))
    assert {node.tag for node in read.all()} <= {
        "style",
        "p",
        "span",
        "strong",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "pre",
        "div",
        "svg",
        "g",
        "rect",
        "text",
        "title",
        "path",
        "details",
        "summary",
    }
    for name in (
        "Summary",
        "summary of proof",
        "case",
        "detail",
        "inputs",
        "function",
        "source",
        "advice",
        "kind",
        "name",
        "note",
        "where",
        "print",
        "title",
        "path",
        "sentence",
        "mistake",
        "hint",
    ):
        assert evil(name).replace("`", "") in read.text.replace("`", ""), name
    assert read.attributes["aria-label"] == f"verdict on 7 · {evil('title')}: failed"


@pytest.mark.parametrize("kind", ["import", "eager"])
def test_trouble_is_text_too(kind):
    """The same for what keeps a file from running."""
    trouble = finding(kind, HOSTILE, FAILED, summary=HOSTILE, lines=((1, HOSTILE, HOSTILE),), advice=HOSTILE)
    assert "<script>" in shown(verdict(FAILED, trouble=trouble)).text and not [
        *shown(verdict(FAILED, trouble=trouble)).all("script")
    ]


def test_what_no_page_can_hold_is_replaced():
    """Control characters and halves of surrogate pairs reach neither the browser nor the notebook's file."""
    html = page.verdict_page(verdict(FAILED, RAISED, prints=(("import", "\x1b[2J\0\ud800 end\t."),)))
    assert "\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} end\t." in html
    html.encode()


def test_dollars_are_math_in_a_hint_alone():
    """MathJax is kept out of the fragment and asked into the hints, whose formulas reach it as they were written."""
    fragment = shown(verdict(FAILED, RAISED), hints=[r"Take $a_i * b_j * \, \{c\} < d$ and `$x$`, *now*."])
    assert "tex2jax_ignore" in fragment.attributes["class"].split()
    (hint,) = fragment.all("div", class_="tex2jax_process mathjax_process")
    assert hint.text.strip() == r"Take $a_i * b_j * \, \{c\} < d$ and $x$, now." and [
        em.text for em in hint.all("em")
    ] == ["now"]


def test_hints_alone():
    """%hint shows the hints without a verdict."""
    fragment = parsed(page.hints_page(7, "A small thing", HINTS))
    assert fragment.attributes["aria-label"] == "hints for 7 · A small thing"
    assert lines(fragment) == [
        "7 · A small thing",
        "hint 1 of 3",
        "Look at q.shape.",
        "hint 2 of 3",
        "Then divide.",
        "hint 3 of 3",
        "Nearly the answer.",
    ]


# The style


def test_text_keeps_the_colour_of_its_surroundings():
    """No text has a colour of its own and no ground is opaque, so the fragment can be read on light and dark alike."""
    assert {*re.findall(r"(?<![-\w])color: ([^;}]+)", CSS)} == {"inherit"}
    for ground in re.findall(r"background: ([^;}]+)", CSS):
        assert ground == "none" or float(re.search(r", \.?(\d+)\)$", ground)[1]) <= 25, ground


def test_the_style_reaches_nothing_else():
    """Every rule is about the fragment."""
    text = re.sub(
        r"/\*.*?\*/|@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}", lambda found: found[1] or "", CSS, flags=re.DOTALL
    )
    for selector in re.findall(r"([^{}]+)\{", text):
        for part in re.sub(r"\([^)]*\)", "", selector).split(","):
            assert part.strip().startswith(".gv"), selector


# In a browser

GROUNDS = {
    "paper": ("#ffffff", "#212121"),
    "JupyterLab": ("#111111", "#ffffff"),
    "VS Code": ("#1e1e1e", "#cccccc"),
    "Colab": ("#383838", "#d5d5d5"),
    "the site at night": ("#14181e", "#ced6dd"),
}
EVERYTHING = verdict(
    FAILED,
    VALUES,
    RAISED,
    PROPERTY,
    VERDICTS["parameters"].entries[0],
    UNWRITTEN,
    CUT_SHORT,
    RIGHT_ONE,
    prints=PRINTS,
    notes=("A note.",),
)


@pytest.fixture
def show(browser):  # noqa: F811
    """Opens a page with every part of a verdict in it, unfolded: `show(ground, colour, width)`."""
    context = browser.new_context()

    def opened(ground: str, colour: str, width: int):
        tab = context.new_page()
        tab.set_viewport_size(dict(width=width, height=900))
        fragment = page.verdict_page(EVERYTHING, hints=HINTS).replace("<details", "<details open")
        tab.set_content(
            f"<!doctype html><html lang='en'><title>x</title><body style='background: {ground}; color: {colour}; "
            f"font: 14px sans-serif'>{fragment}"
        )
        return tab

    yield opened
    context.close()


@pytest.mark.parametrize("ground, colour", GROUNDS.values(), ids=GROUNDS)
def test_every_ground_is_readable(show, ground, colour):
    """On the grounds of paper, notebooks and the site axe-core finds nothing serious, the contrast of texts
    included."""
    assert serious(show(ground, colour, 900), ".gv-box") == []


@pytest.mark.parametrize("width", [360, 390, 900])
def test_nothing_sticks_out(show, width):
    """On a phone the table and the pictures fit the screen."""
    tab = show("#ffffff", "#212121", width)
    wide = """[...document.querySelectorAll('.gv-box *')].filter(part => part.getBoundingClientRect().right > innerWidth).map(part => part.outerHTML)"""  # noqa: E501
    assert tab.evaluate(wide) == [] and tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


# Heatmaps


def maps(found: Difference) -> list[Node]:
    return [*parsed(heatmap.heatmaps(found)).all("svg", role="img")]


def cells(svg: Node) -> list[str]:
    """What each cell says, in order."""
    return [title.text for title in svg.all("title")]


def labels(svg: Node, weight: str | None = None) -> list[str]:
    """The numbers of columns and rows, or those in bold."""
    return [
        node.text
        for node in svg.all("text", fill="currentColor")
        if node.text and (weight is None or node.attributes.get("font-weight") == weight)
    ]


RIGHT = np.float32([[0, 1, 2], [3, 4, 5]])
MINE = np.float32([[0, 1, 2], [3, 9, 5]])


def test_three_maps_of_the_same_array():
    """Expected, yours and difference have a cell for each value, which says its place and its value."""
    expected, mine, error = maps(difference(RIGHT, MINE))
    places = [f"row {i}, column {j}" for i in range(2) for j in range(3)]
    assert cells(expected) == [f"{place}: {value}.000" for place, value in zip(places, range(6))]
    assert cells(mine)[4] == "row 1, column 1: 9.000" and cells(mine)[:4] == cells(expected)[:4]
    assert cells(error) == [
        *(f"{place}: right" for place in places[:4]),
        "row 1, column 1: expected 4.000, yours 9.000",
        "row 1, column 2: right",
    ]


def test_maps_say_what_they_show():
    """Without eyes: the range of what is expected, where it is wrong, and by how much."""
    assert [svg.attributes["aria-label"] for svg in maps(difference(RIGHT, MINE))] == [
        "expected: values from 0.000 to 9.000",
        "yours: wrong in row 1 of 2, column 1 of 3",
        "difference: wrong in row 1 of 2, column 1 of 3; the largest is 5.000",
    ]


def test_wrong_rows_and_columns_are_marked():
    """A wrong row's and column's number is bold and has a triangle, and the right ones' are plain; nothing is marked on
    what is expected."""
    expected, mine, error = maps(difference(RIGHT, MINE))
    assert labels(expected) == labels(mine) == ["0", "1", "0", "1", "2"]
    assert labels(mine, "bold") == labels(error, "bold") == ["1", "1"] and len([*mine.all("path")]) == 2
    assert labels(expected, "bold") == [] == [*expected.all("path")]


def test_expected_and_yours_share_a_scale():
    """One value has one colour in both maps, and the scale is told below each; the difference has its own."""
    found = parsed(heatmap.heatmaps(difference(RIGHT, MINE)))
    assert [scale.text for scale in found.all("div", class_="gv-scale")] == ["0.0009.000", "0.0009.000", "05.000"]
    fills = [[rect.attributes["fill"] for rect in svg.all("rect")] for svg in found.all("svg", role="img")]
    assert (
        fills[0][:4] == fills[1][:4]
        and fills[0][4] != fills[1][4] == heatmap.VALUES[-1]
        and fills[0][0] == heatmap.VALUES[0]
    )
    assert fills[2] == [heatmap.RIGHT] * 4 + [heatmap.ERRORS[-1], heatmap.RIGHT]


def test_nan_and_infinity_are_written_and_have_no_shade():
    """What is no number says so in its cell, in every map, and does not spoil the scale."""
    right, mine = np.float32([[0, np.nan, 1, 2]]), np.float32([[0, np.nan, np.inf, -np.inf]])
    found = maps(difference(right, mine))
    assert [text.text for text in found[1].all("text") if text.attributes["fill"] != "currentColor"] == [
        "0.000",
        "NaN",
        "inf",
        "-inf",
    ]
    assert [rect.attributes["fill"] == heatmap.SPECIAL for rect in found[1].all("rect")] == [False, True, True, True]
    assert cells(found[2]) == [
        "row 0, column 0: right",
        "row 0, column 1: right",
        "row 0, column 2: expected 1.000, yours inf",
        "row 0, column 3: expected 2.000, yours -inf",
    ]
    assert found[0].attributes["aria-label"] == "expected: values from 0.000 to 2.000"
    assert (
        found[2].attributes["aria-label"] == "difference: wrong in the only row, columns 2–3 of 4; no size can be given"
    )


def test_a_cell_too_small_for_numbers_still_marks_what_is_no_number():
    """In a wide array NaN is an N and right is a dot; the first wrong value is told below in full."""
    right = np.zeros((2, 12), np.float32)
    mine = right.copy()
    mine[1, 3], mine[1, 4] = np.nan, 7
    found = parsed(heatmap.heatmaps(difference(right, mine)))
    _, yours, error = found.all("svg", role="img")
    assert [text.text for text in yours.all("text") if text.attributes["fill"] != "currentColor"] == ["N"]
    assert [text.text for text in error.all("text") if text.attributes["fill"] != "currentColor"] == ["·"] * 15 + [
        "N"
    ] + ["·"] * 7
    assert (
        next(found.all("p")).text == "where: row 1 of 2, columns 3–4 of 12. Row 1, column 3: expected 0.000, yours NaN"
    )


@pytest.mark.parametrize(
    "array",
    [
        np.float32([[1e-8, 2e4, -3e30, 5]]),
        np.float64([[-1.7e308, 1.7e308]]),
        np.zeros((1, 2)),
        np.int32([[-7, 70000]]),
        np.array([[1.5, -2]], ml_dtypes.bfloat16),
        np.array([[True, False]]),
        np.full((1, 2), np.nan),
    ],
    ids=lambda array: array.dtype.name,
)
def test_numbers_in_cells_can_be_read(array):
    """Whatever a cell's colour, what is written in it stands out as WCAG AA asks."""
    wrong = np.zeros(array.shape, bool)
    wrong[0, 0] = True
    for svg in maps(Difference("", array, array, wrong, 1.0, 0.0)):
        for group in svg.all("g"):
            (rect,) = group.all("rect")
            for text in group.all("text"):
                assert heatmap.contrast(text.attributes["fill"], rect.attributes["fill"]) >= 4.5


@pytest.mark.parametrize("colours", [heatmap.VALUES, heatmap.ERRORS])
def test_colours_keep_their_order_without_hue(colours):
    """Scales go from dark to light, or from light to dark, step by step: so they can be read in print and by
    colour-blind eyes."""
    lightness = [heatmap.contrast(colour, "#000000") for colour in colours]
    assert lightness in (sorted(lightness), sorted(lightness, reverse=True)) and max(lightness) / min(lightness) > 4


def test_true_and_false():
    """A mask is told in words, and is wrong or right, without a size."""
    expected, _, error = maps(difference(np.array([[True, False]]), np.array([[True, True]])))
    assert cells(expected) == ["row 0, column 0: True", "row 0, column 1: False"]
    assert cells(error) == ["row 0, column 0: right", "row 0, column 1: wrong"]
    assert [text.text for text in error.all("text")][-2:] == ["·", "✗"]


def test_a_property_has_a_map_of_where_it_is_broken():
    """A property has no values to show: one map, of changes and output rows."""
    found = PROPERTY.first.difference
    (only,) = maps(found)
    assert (
        only.attributes["aria-label"] == "broken in row 1 of 2, columns 3–4 of 5 (rows: changes, columns: output rows)"
    )
    assert [cell.split(": ")[1] for cell in cells(only)] == ["right"] * 8 + ["wrong"] * 2


@pytest.mark.parametrize("shape, at", [((), ()), ((4,), (1,)), ((3, 2, 2), (1, 0, 1)), ((2, 3, 2, 2), (1, 2, 1, 0))])
def test_arrays_of_every_rank(shape, at):
    """Of more than two axes the last two are shown, where the first wrong value stands, and the words say which."""
    right = np.zeros(shape, np.float32)
    mine = right.copy()
    mine[at] = 1
    _, yours, error = maps(difference(right, mine))
    assert len(cells(yours)) == np.atleast_2d(right).shape[-1] * np.atleast_2d(right).shape[-2]
    assert sum("expected 0.000, yours 1.000" in cell for cell in cells(error)) == 1
    assert (f"in [{', '.join(map(str, at[:-2]))}, :, :] " in yours.attributes["aria-label"]) == (len(shape) > 2)


@pytest.mark.parametrize("shape", [(21, 3), (1000, 300), (20, 20), (1, 41)])
@pytest.mark.parametrize("corner", [(0, 0), (-1, -1)])
def test_one_wrong_value_among_many_stays_visible(shape, corner):
    """A map has at most 20 rows and columns; the value of a block that is furthest off stands for it, and says its own
    place."""
    right = np.zeros(shape, np.float32)
    mine = right.copy()
    mine[corner] = 1
    figure = parsed(heatmap.heatmaps(difference(right, mine)))
    _, yours, error = figure.all("svg", role="img")
    place = ", ".join(f"{noun} {range(size)[index]}" for noun, size, index in zip(("row", "column"), shape, corner))
    assert len(cells(error)) == min(shape[0], 20) * min(shape[1], 20)
    assert [cell for cell in cells(error) if not cell.endswith("right")] == [f"{place}: expected 0.000, yours 1.000"]
    assert f"{place}: 1.000" in cells(yours)
    rows, columns = (-(-size // 20) for size in shape)
    told = (
        f"A cell is a block of the {shape[0]} × {shape[1]} values, up to {rows} row{'s' * (rows > 1)} × {columns} "
        f"column{'s' * (columns > 1)} from its number on"
    )
    assert (told in figure.text) == (max(shape) > 20)
    assert labels(error)[0] == "0"


def test_a_verdict_stays_small():
    """The pictures of the largest array that is shown cell by cell fit into a notebook's file many times."""
    rng = np.random.default_rng(0)
    found = difference(
        rng.standard_normal((500, 500)).astype(np.float32), rng.standard_normal((500, 500)).astype(np.float32)
    )
    assert len(heatmap.heatmaps(found)) < 200_000
    assert len(page.verdict_page(VERDICTS["pass"])) < 10_000


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_look(status):
    """Whatever became of a problem, there is a fragment for it."""
    look = (
        shown(verdict(status, trouble=finding("import", status=status, summary="so it is")))
        .attributes["class"]
        .split()[-1]
    )
    assert f".{look}" in CSS or status == NOT_WRITTEN
