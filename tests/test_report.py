"""Renderings of one verdict: the terminal's text at 80 columns, the pictures of arrays in it, and the JSON for
machines."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from rich.console import Console

from grader.course.verdict import Check, Difference, EntryVerdict, Finding, Status, Verdict
from grader.report import machine, picture, terminal, words
from tests.schema import is_schema, validate

PASSED, FAILED, UNCHECKED, NOT_WRITTEN, COURSE = (
    Status.PASSED,
    Status.FAILED,
    Status.UNCHECKED,
    Status.NOT_WRITTEN,
    Status.COURSE,
)
STUB = "problems/07_small_thing/stub.py"


def finding(kind, case="", status=PASSED, **fields) -> Finding:
    return Finding(Check("f", kind, case), status, **fields)


def difference(expected, came, leaf="", largest=1.0, allowed=1e-6) -> Difference:
    expected, came = np.asarray(expected), np.asarray(came)
    wrong = ~((expected == came) | ((expected != expected) & (came != came)))
    return Difference(leaf, expected, came, np.asarray(wrong), largest, allowed)


def verdict(status, *entries, **fields) -> Verdict:
    return Verdict(7, "07_small_thing", "A small thing", STUB, status, entries, **fields)


def rendered(shown: Verdict, *, width=80, **options) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=False)
    terminal.show(shown, console, **options)
    return console.file.getvalue()


RIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
WRONG = RIGHT.copy()
WRONG[1, 2], WRONG[2] = 7, np.nan

VALUES = EntryVerdict(
    "f",
    FAILED,
    (
        finding(
            "eager",
            "small",
            FAILED,
            summary="5 of 12 values of the output differ",
            inputs="x (3, 4)",
            difference=difference(RIGHT, WRONG),
            advice="Do this.",
        ),
        finding("eager", "large"),
        finding("jit", "small"),
        finding("jit", "large", UNCHECKED),
        finding("vmap", "small", FAILED),
        finding("traces", "large"),
        finding("leaks", "large", UNCHECKED),
    ),
    "forgot_it",
    "You forgot `x[i]` and [/]: this sentence is long enough to be wrapped at the width of its panel.",
)
RAISED = EntryVerdict(
    "f",
    FAILED,
    (
        finding(
            "eager",
            "small",
            FAILED,
            summary="line 9 raises ValueError: no",
            inputs="x (3, 4)",
            lines=(
                (1, "<module>", "f(1)"),
                (3, "<module>", "import x"),
                (5, "g", "  raise ValueError('[no]')"),
                (9, "h", ""),
            ),
        ),
    ),
)
BROKEN = np.zeros((2, 5), bool)
BROKEN[1, 3:] = True
PROPERTY = EntryVerdict(
    "f",
    FAILED,
    (
        finding("eager", "small"),
        finding(
            "eager",
            "order",
            FAILED,
            summary="Rows do not mix. Broken by: rows swapped",
            inputs="x (5, 4)",
            difference=Difference("property", np.zeros_like(BROKEN), BROKEN, BROKEN, 0.0, 0.0),
        ),
    ),
)
PARAMETERS = EntryVerdict(
    "M",
    FAILED,
    (
        finding(
            "parameters",
            "small",
            FAILED,
            summary="the module does not hold the variables of the contract",
            inputs="x (3, 4)  width 4",
            detail="- q.kernel  Param (2, 2) is missing\n+ w         Param (2, 2) is not in the contract",
            advice="What counts is the name.",
        ),
        finding("eager", "small", FAILED, summary="its parameters are not those of the contract"),
    ),
)
UNWRITTEN = EntryVerdict(
    "f",
    NOT_WRITTEN,
    (
        finding(
            "eager",
            "small",
            NOT_WRITTEN,
            summary="line 9 raises NotImplementedError: not written yet",
            lines=((9, "f", "raise NotImplementedError"),),
        ),
    ),
)
CUT_SHORT = EntryVerdict("f", UNCHECKED, (finding("eager", "a"), finding("jit", "a", UNCHECKED)))
RIGHT_ONE = EntryVerdict("g", PASSED, (finding("eager", "a"), finding("jit", "a"), finding("leaks", "a")))
NO_NAME = EntryVerdict(
    "f",
    FAILED,
    (finding("name", status=FAILED, summary="the file defines no `f`", detail="it defines: g", advice="Write one."),),
)
NO_PYTHON = finding(
    "import",
    status=FAILED,
    summary="line 3 is not Python: invalid syntax",
    lines=((3, "", "  return ]["),),
    advice="Nothing was run.",
)

HEADING = " 7 · A small thing                               problems/07_small_thing/stub.py\n"
NEXT = "\n next: python -m grader hint 7   or   python -m grader debug 7\n"
VALUES_SHOWN = (
    """
 f                                   eager   jit   vmap   grad
 small                                 ✗      ✓      ✗      –
 large                                 ✓      ?      –      –
 ✓ traced once   ? no leaked tracers
 – does not apply   ? could not be checked

 ✗ small · eager   x (3, 4)
 5 of 12 values of the output differ.

 expected                       yours
  0.000  1.000  2.000  3.000    0.000 1.000 2.000 3.000
  4.000  5.000  6.000  7.000    4.000 5.000 7.000 7.000
  8.000  9.000 10.000 11.000      NaN   NaN   NaN   NaN

 where: rows 1–2 of 3, every column
   ····
   ··█·
   NNNN

 Do this.

 ╭─ forgot it ────────────────────────────────────────────────────────────────╮
 │ You forgot `x[i]` and [/]: this sentence is long enough to be wrapped at   │
 │ the width of its panel.                                                    │
 ╰────────────────────────────────────────────────────────────────────────────╯
"""
    + NEXT
)
RAISED_TABLE = """
 f                                   eager   jit   vmap   grad
 small                                 ✗      –      –      –
 – does not apply
"""
RAISED_REASON = (
    """
 ✗ small · eager   x (3, 4)
 Line 9 raises ValueError: no.
   problems/07_small_thing/stub.py:3   import x
   problems/07_small_thing/stub.py:5 in g   raise ValueError('[no]')
   problems/07_small_thing/stub.py:9 in h
"""
    + NEXT
)
RAISED_SHOWN = RAISED_TABLE + RAISED_REASON


def test_wrong_values():
    """A table of all checks, the first failure with values and where they are wrong, the mistake's sentence, and the
    next step."""
    assert rendered(verdict(FAILED, VALUES)) == HEADING + VALUES_SHOWN


def test_an_error():
    """What was raised is followed by the last three of the student's own lines, innermost last."""
    assert rendered(verdict(FAILED, RAISED)) == HEADING + RAISED_SHOWN


def test_a_broken_property():
    """A property shows no values, but in which changes and which rows it is broken."""
    assert (
        rendered(verdict(FAILED, PROPERTY))
        == HEADING
        + """
 f                                   eager   jit   vmap   grad
 small                                 ✓      –      –      –
 order                                 ✗      –      –      –
 – does not apply

 ✗ order · eager   x (5, 4)
 Rows do not mix. Broken by: rows swapped.

 where: row 1 of 2, columns 3–4 of 5 (rows: changes, columns: output rows)
   ·····
   ···██
"""
        + NEXT
    )


def test_parameters_that_differ():
    """The difference between the variables stands line by line below the sentence."""
    assert (
        rendered(verdict(FAILED, PARAMETERS))
        == HEADING
        + """
 M                                   eager   jit   vmap   grad
 small                                 ✗      –      –      –
 ✗ parameters
 – does not apply

 ✗ parameters   x (3, 4)  width 4
 The module does not hold the variables of the contract.

   - q.kernel  Param (2, 2) is missing
   + w         Param (2, 2) is not in the contract
 What counts is the name.
"""
        + NEXT
    )


def test_a_name_that_is_missing():
    """Without a call there is no table of transforms and nothing to debug."""
    assert (
        rendered(verdict(FAILED, NO_NAME))
        == HEADING
        + """
 ✗ name and signature
 The file defines no `f`.

   it defines: g
 Write one.

 next: python -m grader hint 7
"""
    )


def test_trouble_with_the_file():
    """What keeps the file from running is all that is said, with its line."""
    assert (
        rendered(verdict(FAILED, EntryVerdict("f", FAILED), trouble=NO_PYTHON))
        == HEADING
        + """
 ✗ line 3 is not Python: invalid syntax
   problems/07_small_thing/stub.py:3   return ][
 Nothing was run.
"""
    )


def test_a_fault_of_the_course():
    """The course's own fault is marked as such."""
    fault = finding(
        "course", status=COURSE, summary="07_small_thing/checks.py is missing", advice="This is not your mistake."
    )
    assert (
        rendered(verdict(COURSE, trouble=fault))
        == HEADING + "\n ! 07_small_thing/checks.py is missing\n This is not your mistake.\n"
    )


def test_an_untouched_stub():
    """An untouched stub is no failure, and its advice is the next step."""
    untouched = finding("import", status=NOT_WRITTEN, summary="the stub is as it came", advice="Open it.")
    shown = verdict(NOT_WRITTEN, EntryVerdict("f", NOT_WRITTEN), trouble=untouched)
    assert rendered(shown) == HEADING + "\n ○ the stub is as it came\n\n next: Open it.\n"


def test_a_stub_that_still_raises_not_implemented():
    """A stub in which nothing is written yet names what to write, and where."""
    assert (
        rendered(verdict(NOT_WRITTEN, UNWRITTEN, EntryVerdict("g", NOT_WRITTEN)))
        == HEADING
        + """
 ○ not written yet: f, g

 next: open problems/07_small_thing/stub.py and fill in the TODO, or read the
 lesson: python -m grader lesson 7
"""
    )


def test_several_names():
    """Each name has its part in the contract's order: a line where it is not written, was cut short or passed, all
    where it failed."""
    assert (
        rendered(verdict(FAILED, UNWRITTEN, CUT_SHORT, RIGHT_ONE, RAISED))
        == HEADING
        + """
 ○ f is not written yet (line 9 raises NotImplementedError: not written yet)

 ? f could not be checked: the run was cut short before it

 ✓ g passed all 3 checks
"""
        + RAISED_TABLE
        + RAISED_REASON.replace("✗ small", "✗ f · small").replace(
            "   or   python -m grader debug 7", '\n or    python -m grader debug 7 "f small"'
        )
    )


G_RAISED = EntryVerdict(
    "g",
    FAILED,
    (
        Finding(Check("g", "jit", "large, and far"), FAILED, summary="it is wrong"),
        Finding(Check("g", "jit", "large"), PASSED),
    ),
    "too_far",
    "Go less far.",
)


def test_a_second_name_that_fails_is_named_as_the_first_is():
    """Tables come first, then each failure under its own name, and last what is wrong with each and the commands that
    go on from there."""
    assert (
        rendered(verdict(FAILED, RAISED, G_RAISED))
        == HEADING
        + """
 f                                   eager   jit   vmap   grad
 small                                 ✗      –      –      –

 g                                   eager   jit   vmap   grad
 large, and far                        –      ✗      –      –
 large                                 –      ✓      –      –
 – does not apply
"""
        + RAISED_REASON.replace("✗ small", "✗ f · small").replace(NEXT, "")
        + """
 ✗ g · large, and far · jit
 It is wrong.

 ╭─ too far ──────────────────────────────────────────────────────────────────╮
 │ Go less far.                                                               │
 ╰────────────────────────────────────────────────────────────────────────────╯

 ✗ f   line 9 raises ValueError: no
 ✗ g   too far

 next: python -m grader hint 7
 or    python -m grader debug 7 "f small"
 or    python -m grader debug 7 "g large, and far jit"
"""
    )


@pytest.mark.parametrize(
    "reasons, legend",
    [
        (("", ""), "– does not apply   ? could not be checked"),
        (("a has to be right first", ""), "– does not apply   ? could not be checked: a has to be right first"),
        (("one", "other"), "– does not apply   ? could not be checked: ¹ one; ² other"),
    ],
)
def test_the_legend_says_why_something_was_not_checked(reasons, legend):
    """`?` is explained by its reasons, each of them once."""
    entry = EntryVerdict(
        "f",
        FAILED,
        (
            finding("eager", "a", FAILED, summary="wrong"),
            *(finding(kind, "a", UNCHECKED, summary=why) for kind, why in zip(("jit", "vmap"), reasons)),
        ),
    )
    assert words.legend([entry, RIGHT_ONE, CUT_SHORT]) == legend and words.legend([RIGHT_ONE, CUT_SHORT]) == ""
    signs = [words.mark(found, words.reasons([entry])) for found in entry.findings]
    assert signs == (["✗", "?¹", "?²"] if all(reasons) and len({*reasons}) > 1 else ["✗", "?", "?"])


def test_a_pass():
    """A pass is one line, and what to try next."""
    assert (
        rendered(verdict(PASSED, RIGHT_ONE, seconds=1.26), upcoming="python -m grader 8")
        == """\
✓ 7 · A small thing passed: 3 checks in 1.3 s.

 next: python -m grader 8
"""
    )


def test_a_pass_in_full():
    """With -v a pass shows its table."""
    assert (
        rendered(verdict(PASSED, RIGHT_ONE), verbose=True, upcoming="python -m grader 8")
        == HEADING
        + """
 g                                   eager   jit   vmap   grad
 a                                     ✓      ✓      –      –
 ✓ no leaked tracers

 next: python -m grader 8
"""
    )


PRINTS = (("import", "[bold]hi[/]"), ("eager · small", "\n".join(map(str, range(13)))), ("jit · small", "x"))


@pytest.mark.parametrize(
    "text, rows, left",
    [
        ("x" * 5000, 12, "the rest of a line of 5,000 characters"),
        ("a\n" + "x" * 5000 + "\nb\nc", 12, "the rest of a line of 5,000 characters and 2 more lines"),
        ("y" * 77 * 12, 12, ""),
        ("y" * 77 * 12 + "\nz", 12, "1 more line"),
        ("界" * 457, 12, "the rest of a line of 457 characters"),
    ],
)
def test_a_long_line_takes_no_more_of_the_screen(text, rows, left):
    """What counts is what is seen: a line that is broken over the screen takes as many rows as it has there. With -v
    all of it is shown."""
    shown = rendered(verdict(FAILED, RAISED, prints=(("eager · small", text),)))
    printed = shown.partition("your code printed (eager · small):\n")[2].partition("\n\n")[0].splitlines()
    told = f"   … {left}; -v shows the rest"
    assert printed[rows:] == ([told] if left else []) and len(printed) == rows + bool(left)
    whole = rendered(verdict(FAILED, RAISED, prints=(("eager · small", text),)), verbose=True)
    assert "".join(text.split()) in "".join(whole.split())


def test_prints_are_cut():
    """Two texts are shown, the failing case's first, of each the first twelve lines, and how much is left out; why it
    fails comes last."""
    twelve = "".join(f"   {i}\n" for i in range(12))
    assert (
        rendered(verdict(FAILED, RAISED, prints=PRINTS, notes=("The key could not be kept.",)))
        == HEADING
        + RAISED_TABLE
        + (
            "\n your code printed (eager · small):\n" + twelve + "   … 1 more line; -v shows the rest\n"
            "\n your code printed (import):\n   [bold]hi[/]\n"
            " … and in 1 more call; -v shows the rest\n\n The key could not be kept.\n"
        )
        + RAISED_REASON
    )


def test_prints_are_whole_on_request():
    """With -v every text is shown to its end."""
    assert (
        rendered(verdict(FAILED, RAISED, prints=PRINTS), verbose=True)
        == HEADING
        + RAISED_TABLE
        + (
            "\n your code printed (eager · small):\n"
            + "".join(f"   {i}\n" for i in range(13))
            + "\n your code printed (import):\n   [bold]hi[/]\n"
            "\n your code printed (jit · small):\n   x\n"
        )
        + RAISED_REASON
    )


def test_prints_of_a_passing_file_are_shown_too():
    """Someone who prints to understand wants to read it, also after a pass."""
    assert rendered(verdict(PASSED, RIGHT_ONE, seconds=1.0, prints=(("import", "hi"),))) == (
        "✓ 7 · A small thing passed: 3 checks in 1.0 s.\n\n your code printed (import):\n   hi\n"
    )


@pytest.mark.parametrize("width", [40, 80])
def test_a_command_is_whole_on_its_line_however_long(width):
    """It can be copied as it stands, with a path of any length at its end."""
    path = "/a/folder/of/somebody/with/a/long/name/and/another/one/attempt.py"
    shown = rendered(dataclasses.replace(verdict(FAILED, RAISED), path=path), width=width)
    assert f"python -m grader debug 7 --file {path}" in [line.removeprefix(" or    ") for line in shown.splitlines()]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_the_terminal(width):
    """Whatever the width, no line is wider, and none ends in blanks."""
    for line in rendered(verdict(FAILED, RAISED, PROPERTY, PARAMETERS, prints=PRINTS), width=width).splitlines():
        assert len(line) <= width and line == line.rstrip()


@pytest.mark.parametrize(
    "shown, line",
    [
        (verdict(FAILED, VALUES), "✗ 7 failed  small · eager: forgot it"),
        (verdict(FAILED, RIGHT_ONE, RAISED), "✗ 7 failed  f · small · eager: line 9 raises ValueError: no"),
        (
            verdict(FAILED, RAISED, G_RAISED),
            "✗ 7 failed  f · small · eager: line 9 raises ValueError: no; g · large, and far · jit: too far",
        ),
        (verdict(FAILED, CUT_SHORT, NO_NAME), "✗ 7 failed  f · name and signature: the file defines no `f`"),
        (verdict(FAILED, PARAMETERS), "✗ 7 failed  parameters: the module does not hold the variables of the contract"),
        (verdict(FAILED, trouble=NO_PYTHON), "✗ 7 failed  line 3 is not Python: invalid syntax"),
        (
            verdict(NOT_WRITTEN, UNWRITTEN),
            "○ 7 not written  small · eager: line 9 raises NotImplementedError: not written yet",
        ),
        (verdict(PASSED, RIGHT_ONE), "✓ 7 passed"),
    ],
    ids=range(8),
)
def test_a_verdict_in_one_line(shown, line):
    """The mark, the status and the first failure, by the mistake's name where it has one."""
    assert terminal.one_line(shown).plain == line


@pytest.mark.parametrize(
    "shown",
    [verdict(FAILED, VALUES), verdict(FAILED, RAISED, prints=PRINTS), verdict(PASSED, RIGHT_ONE)],
    ids=["values", "error", "pass"],
)
def test_colour_is_for_terminals(shown):
    """Escape sequences are written to a terminal only, and without them the text is the same."""
    coloured = Console(
        file=io.StringIO(), width=80, highlight=False, force_terminal=True, color_system="standard", no_color=False
    )
    terminal.show(shown, coloured)
    text = rendered(shown)
    assert "\x1b[" not in text and "\x1b[" in coloured.file.getvalue()
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured.file.getvalue())
    assert [line.rstrip() for line in stripped.splitlines()] == text.splitlines()


# Pictures


def test_shades_grow_with_the_error():
    """Right is a dot, the largest error is full, and any wrong value, however small, is not a dot."""
    right, mine = np.zeros((1, 6)), np.array([[0, 1e-9, 0.25, 0.5, 0.75, 1.0]])
    assert picture.error_map(difference(right, mine)) == ["·░░▒▓█"]


def test_nan_and_infinity_in_a_map():
    """A value that is NaN or inf where it should not be is an N; one that should be is right, and does not dim the
    others."""
    right, mine = np.array([[0, np.nan, np.inf, 0, 0]]), np.array([[np.inf, np.nan, np.inf, np.nan, 1]])
    assert picture.error_map(difference(right, mine)) == ["N··N█"]


def test_a_number_where_nan_is_expected():
    """A finite value in the place of NaN is marked like a NaN in the place of a number."""
    assert picture.error_map(difference(np.array([[np.nan, 1.0]]), np.array([[1.0, 1.0]]))) == ["N·"]


def test_as_many_digits_as_tell_the_values_apart():
    """A wrong value and what was expected are never printed alike, in half precision neither; of right ones no more is
    shown for it."""
    right, mine = np.array([[1.0, 2.0, 12345.0]]), np.array([[1.0000001, 2.00004, 12345.5]])
    apart = Difference("", right, mine, np.array([[False, True, True]]), 1.0, 1e-6)
    assert picture.values(apart)[:2] == (["  1.00000   2.00000 1.234e+04"], ["  1.00000   2.00004 1.235e+04"])
    half = difference(np.array([[0.1]], np.float16), np.array([[0.10004]], np.float16))
    expected, came, _ = picture.values(half)
    assert expected != came
    assert picture.pair(np.float32(0.5), np.float32(0.25)) == ("0.500", "0.250")
    assert picture.pair(np.float32(1.0), np.float32(1.0)) == ("1.000", "1.000")


def test_errors_within_what_is_allowed_are_dots():
    """Only values that are too far off are marked, whatever their errors are."""
    right, mine = np.zeros((1, 3)), np.array([[0.5, 1.0, 0.0]])
    assert picture.error_map(Difference("", right, mine, np.array([[False, True, False]]), 1.0, 0.6)) == ["·█·"]


def test_booleans_and_integers_in_a_map():
    """Masks and integers are shown as other arrays are; a small integer that wraps around is no reason for a faint
    mark."""
    assert picture.error_map(difference(np.array([[True, False]]), np.array([[True, True]]))) == ["·█"]
    assert picture.error_map(difference(np.array([[0, 0]], np.uint8), np.array([[255, 128]], np.uint8))) == ["█▓"]


@pytest.mark.parametrize(
    "shape, wrong_at, rows, where, place",
    [
        ((), (), ["█"], "the only row, the only column", ""),
        ((4,), (1,), ["·█··"], "the only row, column 1 of 4", ""),
        ((2, 3), (1, 2), ["···", "··█"], "row 1 of 2, column 2 of 3", ""),
        ((3, 2, 2), (1, 0, 1), ["·█", "··"], "in [1, :, :] row 0 of 2, column 1 of 2", "[1, :, :]"),
        ((2, 3, 2, 2), (1, 2, 1, 0), ["··", "█·"], "in [1, 2, :, :] row 1 of 2, column 0 of 2", "[1, 2, :, :]"),
    ],
)
def test_arrays_of_every_rank(shape, wrong_at, rows, where, place):
    """Of an array with more than two axes the last two are shown, where the first wrong value stands."""
    right = np.zeros(shape, np.float32)
    mine = right.copy()
    mine[wrong_at] = 1
    found = difference(right, mine)
    assert picture.error_map(found) == rows
    assert picture.where(found) == where
    expected, came, told = picture.values(found)
    assert "1.000" in "".join(came) and "1.000" not in "".join(expected) and told == place


def test_a_large_map_is_made_of_blocks():
    """A map has at most 16 rows and 60 columns, and one wrong value among many stays visible, in its place."""
    right = np.zeros((1000, 300), np.float32)
    mine = right.copy()
    mine[999, 0], mine[0, 299] = 1, np.nan
    rows = picture.error_map(difference(right, mine))
    assert len(rows) == 16 and {len(row) for row in rows} == {60}
    assert (rows[0], rows[-1]) == ("·" * 59 + "N", "█" + "·" * 59) and {*rows[1:-1]} == {"·" * 60}


def test_a_large_map_says_which_rows_it_shows():
    """Each line of a map that is made of blocks has its rows in front, and what a character stands for is told."""
    right = np.zeros((100, 150), np.float32)
    mine = right.copy()
    mine[99, 0] = 1
    told = rendered(
        verdict(
            FAILED,
            EntryVerdict(
                "f", FAILED, (finding("eager", "a", FAILED, summary="wrong", difference=difference(right, mine)),)
            ),
        )
    )
    assert (
        " where: row 99 of 100, column 0 of 150 (a character is up to 7 rows × 3 columns,\n by the worst)\n     0–5  ··"
        in told
    )
    assert "\n   93–99  █··" in told and max(map(len, told.splitlines())) <= 80
    assert (
        picture.blocks(difference(right[:16], mine[-16:])) == []
        and picture.scale(difference(right[:16, :60], mine[-16:, :60])) == ""
    )


@pytest.mark.parametrize("shape", [(17, 61), (16, 60), (1, 61), (31, 119)])
@pytest.mark.parametrize("corner", [(0, 0), (-1, -1)])
def test_no_value_falls_out_of_the_blocks(shape, corner):
    """Sizes that do not divide evenly lose neither the first value nor the last."""
    right = np.zeros(shape)
    mine = right.copy()
    mine[corner] = 1
    rows = picture.error_map(difference(right, mine))
    assert len(rows) <= 16 and len(rows[0]) <= 60
    assert rows[corner[0]][corner[1]] == "█" and sum(row.count("█") for row in rows) == 1


@pytest.mark.parametrize(
    "wrong, told",
    [
        ([0], "row 0 of 9"),
        ([0, 1, 2], "rows 0–2 of 9"),
        ([0, 2, 3], "rows 0, 2–3 of 9"),
        (range(9), "every row"),
        (range(0, 9, 2), "rows 0, 2, 4, 6, … of 9"),
    ],
)
def test_places_in_words(wrong, told):
    """Runs of rows are told by their ends, at most four of them, and all of them as every row."""
    right = np.zeros((9, 1))
    mine = right.copy()
    mine[[*wrong]] = 1
    assert picture.where(difference(right, mine)) == f"{told}, the only column"


def test_a_window_of_values():
    """Of a large array a window of four by four around the first wrong value is shown, and where it stands."""
    right = np.arange(48, dtype=np.float32).reshape(6, 8)
    mine = right.copy()
    mine[5, 7] = -1
    assert picture.values(difference(right, mine)) == (
        [
            "20.000 21.000 22.000 23.000",
            "28.000 29.000 30.000 31.000",
            "36.000 37.000 38.000 39.000",
            "44.000 45.000 46.000 47.000",
        ],
        [
            "20.000 21.000 22.000 23.000",
            "28.000 29.000 30.000 31.000",
            "36.000 37.000 38.000 39.000",
            "44.000 45.000 46.000 -1.000",
        ],
        "rows 2–5 of 6, columns 4–7 of 8",
    )


def test_a_window_names_its_plane_and_its_place():
    """Plane, rows and columns are told together."""
    right = np.zeros((2, 5, 2))
    mine = right.copy()
    mine[1, 4, 0] = 1
    assert picture.values(difference(right, mine))[2] == "[1, :, :], rows 1–4 of 5"


@pytest.mark.parametrize(
    "value, text",
    [
        (np.float32(0), "0.000"),
        (np.float32(0.001), "0.001"),
        (np.float32(-12.5), "-12.500"),
        (np.float32(9999), "9999.000"),
        (np.float32(1e4), "1.0e+04"),
        (np.float32(9.9e-4), "9.9e-04"),
        (np.float32(np.nan), "NaN"),
        (np.float32(np.inf), "inf"),
        (np.float32(-np.inf), "-inf"),
        (ml_dtypes.bfloat16(1.5), "1.500"),
        (ml_dtypes.bfloat16(np.nan), "NaN"),
        (np.int32(-3), "-3"),
        (np.bool_(True), "True"),
        (np.uint8(200), "200"),
    ],
)
def test_how_a_number_is_written(value, text):
    """Three digits after the point in the middle range, powers of ten outside it, words for what is no number."""
    array = np.asarray([value])
    assert picture.values(Difference("", array, array, np.ones(1, bool), 0.0, 0.0))[0] == [text]


# JSON

SCHEMA = json.loads((Path(machine.__file__).parent / "verdict.schema.json").read_text())
VERDICTS = {
    "values": verdict(FAILED, VALUES, seconds=1.23456),
    "error": verdict(FAILED, RAISED, prints=PRINTS, notes=("A note.",)),
    "property": verdict(FAILED, PROPERTY),
    "parameters": verdict(FAILED, PARAMETERS),
    "no name": verdict(FAILED, NO_NAME),
    "not written": verdict(NOT_WRITTEN, UNWRITTEN),
    "trouble": verdict(FAILED, EntryVerdict("f", FAILED), trouble=NO_PYTHON),
    "cut short": verdict(FAILED, CUT_SHORT),
    "pass": verdict(PASSED, RIGHT_ONE),
    "course": verdict(COURSE, trouble=finding("course", status=COURSE, summary="missing")),
}


def as_json(*verdicts, exit_code=1) -> dict:
    """What a machine reads: strict JSON, in which NaN is no number."""
    return json.loads(json.dumps(machine.report(verdicts, exit_code), allow_nan=False))


def with_difference(found: Difference) -> Verdict:
    return verdict(FAILED, EntryVerdict("f", FAILED, (finding("eager", "a", FAILED, difference=found),)))


def test_the_schema_is_a_schema():
    """The document that describes the report is itself valid."""
    is_schema(SCHEMA)


@pytest.mark.parametrize("shown", VERDICTS.values(), ids=VERDICTS)
def test_a_report_is_as_the_schema_says(shown):
    """Every kind of verdict makes strict JSON of the documented form."""
    validate(as_json(shown, exit_code=shown.exit_code), SCHEMA)


def test_a_report_holds_everything_that_is_known():
    """The fields of a failing check, word for word."""
    report = as_json(verdict(FAILED, VALUES, seconds=1.23456))
    assert (report["schema"], report["exit_code"], len(report["problems"])) == (1, 1, 1)
    problem = report["problems"][0]
    assert (problem["number"], problem["name"], problem["path"]) == (7, "07_small_thing", STUB)
    assert (problem["status"], problem["seconds"]) == ("failed", 1.235)
    (name,) = problem["names"]
    assert (name["name"], name["mistake"], len(name["checks"])) == ("f", "forgot_it", 7)
    assert name["checks"][0] == dict(
        kind="eager",
        case="small",
        status="failed",
        summary="5 of 12 values of the output differ",
        detail=None,
        inputs="x (3, 4)",
        advice="Do this.",
        lines=[],
        difference=dict(
            leaf="", shape=[3, 4], wrong=5, largest=1.0, allowed=1e-6, first=[1, 2], expected=6.0, came=7.0
        ),
    )


@pytest.mark.parametrize(
    "right, mine, largest, told",
    [
        (np.float32([0, 1]), np.float32([0, np.nan]), np.inf, (1.0, "NaN", "inf")),
        (np.float32([np.inf]), np.float32([-np.inf]), np.inf, ("inf", "-inf", "inf")),
        (np.array([1.5], ml_dtypes.bfloat16), np.array([2], ml_dtypes.bfloat16), 0.5, (1.5, 2.0, 0.5)),
        (np.array([True]), np.array([False]), 0.0, (True, False, 0.0)),
        (np.int32([3]), np.int32([4]), 1.0, (3, 4, 1.0)),
        (np.float32(3), np.float32(4), 1.0, (3.0, 4.0, 1.0)),
    ],
    ids=["NaN", "inf", "bfloat16", "bool", "int", "scalar"],
)
def test_numbers_that_json_does_not_have(right, mine, largest, told):
    """NaN and the infinities are words, booleans and integers stay what they are, and all of it is as the schema
    says."""
    report = as_json(with_difference(difference(right, mine, largest=largest)))
    validate(report, SCHEMA)
    found = report["problems"][0]["names"][0]["checks"][0]["difference"]
    assert (found["expected"], found["came"], found["largest"]) == told
    assert (type(found["expected"]), type(found["came"])) == (type(told[0]), type(told[1]))


def test_a_report_of_several_problems():
    """Verdicts stand in the order given, beside the exit code of all."""
    report = as_json(verdict(PASSED, RIGHT_ONE), verdict(FAILED, RAISED))
    validate(report, SCHEMA)
    assert [problem["status"] for problem in report["problems"]] == ["passed", "failed"]


@pytest.mark.parametrize("status, code", [(PASSED, 0), (FAILED, 1), (NOT_WRITTEN, 1), (UNCHECKED, 1), (COURSE, 2)])
def test_exit_codes(status, code):
    """0 for a pass, 2 for the course's fault, 1 for everything that is the file's."""
    assert verdict(status).exit_code == code


@pytest.mark.parametrize(
    "text, told",
    [
        ("it is late", "It is late."),
        ("problems/31_sdpa/stub.py is empty", "problems/31_sdpa/stub.py is empty."),
        ("work.zip is damaged", "work.zip is damaged."),
        ("q_proj is missing", "q_proj is missing."),
        ("late by 2 days, e.g. so", "Late by 2 days, e.g. so."),
        ("why not?", "Why not?"),
    ],
)
def test_a_sentence_leaves_names_as_they_are(text, told):
    """It begins with a large letter, unless it begins with the name of a file or of something in a program."""
    assert words.sentence(text) == told
