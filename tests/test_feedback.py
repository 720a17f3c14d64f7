"""Feedback: a verdict that is kept and shown again, without what a student must not know, and pages in which nobody's
text is markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from grader.classroom.arrivals.submission import NO_PROBLEM, Piece, Submission
from grader.classroom.book.exports import export
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.group_marks import shared, unmet
from grader.classroom.book.marks import marks
from grader.classroom.book.rules import Grading
from grader.classroom.book.unread import unread
from grader.classroom.pages.discreet import CUT, MOST_LETTERS, discreet, moved, shortened
from grader.classroom.pages.escape import code, fenced, plain, spans
from grader.classroom.pages.feedback import pages, write_feedback
from grader.classroom.pages.overview import report
from grader.classroom.pages.returns import comment
from grader.classroom.pages.wording import told
from grader.course.verdict import Check, Difference, EntryVerdict, Finding, Named
from grader.report import machine
from grader.report.page import verdict_page
from tests import made_up
from tests.conftest import PROBLEMS as COURSE
from tests.made_up import FAILED
from tests.schema import validate

SCHEMA = json.loads((Path(machine.__file__).parent / "verdict.schema.json").read_text())
GRADING = Grading({31: 1.0, 33: 1.0, 39: 2.0})
HOSTILE = (
    "</style></p><script>alert(1)</script><img src=x "
    "onerror=alert(1)>`[x](http://evil.example)![y](http://evil.example/y) **b** | & <http://evil.example> "
    "www.evil.example"
)
BROKEN = np.array([[False, True, False], [False, False, False]])
VERDICTS = {
    "passed": made_up.passed(),
    "wrong": made_up.wrong(31, "forgot_the_scale", prints=(("import", "hello\nyou"),)),
    "raises": made_up.raises(33, "no"),
    "claim": made_up.uneconomical(),
    "unproved": made_up.unproved(),
    "untouched": made_up.untouched(),
    "no python": made_up.no_python(),
    "course": made_up.at_fault(),
    "unread": unread(COURSE[31], Piece(31, "31.py", trouble="31.py is empty")),
    "property": made_up.verdict(
        33,
        FAILED,
        EntryVerdict(
            "causal_mask",
            FAILED,
            (
                Finding(
                    Check("causal_mask", "eager", made_up.PROPERTY),
                    FAILED,
                    "No query sees the future. Broken by: the last key",
                    inputs="x (3, 4)",
                    difference=Difference("property", np.zeros_like(BROKEN), BROKEN, BROKEN, 0.0, 0.0),
                ),
            ),
        ),
    ),
}


def restored(verdict):
    """What comes back from the gradebook: through strict JSON."""
    return machine.restored(json.loads(json.dumps(machine.data(verdict), allow_nan=False)))


def with_difference(found: Difference, summary: str = "some values differ"):
    return made_up.verdict(
        31,
        FAILED,
        EntryVerdict(
            "sdpa",
            FAILED,
            (Finding(Check("sdpa", "eager", "small"), FAILED, summary, inputs="q (3, 8)", difference=found),),
        ),
    )


# Kept and shown again


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
def test_a_verdict_comes_back(verdict):
    """As JSON and back it is rendered the same, made JSON the same, and every form of it is as the schema says."""
    again = restored(verdict)
    assert machine.data(again) == machine.data(verdict)
    assert machine.report([again], 1) == machine.report([verdict], 1)
    assert verdict_page(again) == verdict_page(verdict)
    for shown in (verdict, again, discreet(verdict), discreet(again)):
        for data in (machine.data(shown), *machine.report([shown], 1)["problems"]):
            validate({"schema": 1, "exit_code": 1, "problems": [json.loads(json.dumps(data, allow_nan=False))]}, SCHEMA)


VALUES = st.floats(-1e6, 1e6, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])


@st.composite
def arrays(draw, kinds=("float32", "bfloat16", "int32", "bool")):
    """Two arrays of one type that differ somewhere."""
    kind, shape = draw(st.sampled_from(kinds)), draw(st.sampled_from([(), (3,), (2, 3), (2, 2, 3), (23, 2)]))
    size = int(np.prod(shape))
    drawn = [draw(st.lists(VALUES, min_size=size, max_size=size)) for _ in range(2)]
    dtype = np.dtype(ml_dtypes.bfloat16) if kind == "bfloat16" else np.dtype(kind)
    with np.errstate(all="ignore"):
        one, other = (
            np.nan_to_num(np.array(values, np.float32), posinf=1, neginf=-1)
            if kind in ("int32", "bool")
            else np.array(values, np.float32)
            for values in drawn
        )
        return one.reshape(shape).astype(dtype), other.reshape(shape).astype(dtype)


@settings(max_examples=60, deadline=None)
@given(arrays())
def test_a_difference_comes_back(pair):
    """Whatever its type, shape and values, what is told of it and its pictures are the same after the gradebook."""
    found = made_up.difference(*pair)
    if found is None:
        return
    verdict = with_difference(found)
    again = restored(verdict)
    assert machine.data(again) == machine.data(verdict)
    assert verdict_page(again) == verdict_page(verdict)


# No expected value

# between them lie the planted values and how far off they are, and no other number of any page
LEAST, MOST = 7e6, 2e7
NUMBER = re.compile(r"(?<![\w#.])\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])", re.IGNORECASE)


def planted_in(text: str) -> list[str]:
    """The numbers of a text that lie where the planted ones do, and say more than one digit of them."""
    return [
        found
        for found in NUMBER.findall(text)
        if LEAST * 0.95 < float(found) < MOST and len(re.sub(r"e.*|\.", "", found.lower()).strip("0")) > 1
    ]


def every_rendering(verdict) -> str:
    """All that could be made of a verdict for a student."""
    with_grade = json.dumps(machine.data(verdict)) + json.dumps(machine.report([verdict], 1))
    return with_grade + verdict_page(verdict) + "".join(text for _, text in of_one(verdict))


def of_one(verdict, content: bytes = b"def f(): ...", **student):
    """The two pages of a student with one verdict."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, Gradebook(Path(folder) / NAME) as book:
        book.arrived([Submission("ada", **({"name": "Ada"} | student))])
        book.record(made_up.record("ada", verdict, content))
        (row,) = marks(book, GRADING, made_up.PROPERTIES)
        return [*pages(row, GRADING, made_up.TITLES, ["/srv/grading"], book.content)]


@st.composite
def secrets(draw):
    """An array with planted values, and one that misses it: by zeros, by something small, by something negative, by
    NaN."""
    kind, shape = (
        draw(st.sampled_from(["float32", "int32", "float64"])),
        draw(st.sampled_from([(), (1,), (2, 3), (2, 2, 3), (25, 3), (3, 30)])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    right = (7_100_001 + rng.integers(0, 2_800_000, shape)).astype(kind)
    mine = {
        "zeros": np.zeros(shape),
        "small": rng.uniform(-1, 1, shape),
        "negative": -1e5 - rng.uniform(0, 8e5, shape),
        "nan": np.full(shape, np.nan if kind != "int32" else -5),
    }[draw(st.sampled_from(["zeros", "small", "negative", "nan"]))].astype(kind)
    partly = rng.random(shape) < draw(st.sampled_from([0.2, 1.0]))
    return right, np.where(partly | (not np.any(partly)), mine, np.zeros(shape, kind)).astype(kind)


@settings(max_examples=80, deadline=None)
@given(secrets())
def test_no_expected_value_is_told(pair):
    """Planted values, and errors that give them away, are in no JSON, HTML or Markdown for a student; the instructor's
    has them."""

    found = made_up.difference(*pair)
    verdict = with_difference(found, f"{found.wrong.sum()} values differ{found.off_by}")
    assert planted_in(json.dumps(machine.data(verdict)))
    for shown in (discreet(verdict), discreet(restored(verdict)), restored(discreet(verdict))):
        assert planted_in(every_rendering(shown)) == []
    assert planted_in("".join(text for _, text in of_one(verdict))) == []


def test_what_a_discreet_verdict_still_tells():
    """Where it is wrong, what came and how far off it is, by one digit, in the same sentence."""
    right, mine = np.float32([[1.2345, 2], [3, 4]]), np.float32([[1.2345, 2], [3.4567, 4]])
    verdict = made_up.verdict(31, FAILED, EntryVerdict("f", FAILED, (made_up.missed(right, mine),)))
    assert (
        verdict.entries[0].findings[0].summary == "1 of 4 values of the output differ, by up to 0.46 (allowed: 1e-06)"
    )
    finding = discreet(verdict).entries[0].findings[0]
    assert finding.summary == "1 of 4 values of the output differ, by up to 0.5 (allowed: 1e-06)"
    found = machine.data(discreet(verdict))["names"][0]["checks"][0]["difference"]
    assert (found["wrong"], found["first"], found["where"], found["largest"], found["expected"]) == (
        1,
        [1, 0],
        "row 1 of 2, column 0 of 2",
        0.5,
        None,
    )
    assert (
        found["came"] == pytest.approx(3.4567)
        and found["plane"]["expected"] is None
        and found["plane"]["wrong"] == [[False, False], [True, False]]
    )
    assert machine.data(discreet(discreet(verdict))) == machine.data(discreet(verdict))


def test_of_whole_numbers_no_error_is_told():
    """One digit of a whole number may be all of it."""
    verdict = made_up.verdict(
        31, FAILED, EntryVerdict("f", FAILED, (made_up.missed(np.int32([7, 2]), np.int32([0, 2]), 0.0),))
    )
    finding = discreet(verdict).entries[0].findings[0]
    assert (finding.summary, finding.difference.largest) == ("1 of 2 values of the output differ", 0.0)


def test_infinite_errors_have_no_size():
    """That infinity was expected is an expected value too."""
    verdict = made_up.verdict(
        31, FAILED, EntryVerdict("f", FAILED, (made_up.missed(np.float32([np.inf, 2]), np.float32([0, 2])),))
    )
    assert discreet(verdict).entries[0].findings[0].summary == "1 of 2 values of the output differ"
    assert "inf" not in json.dumps(machine.data(discreet(verdict)))


# Nothing of the machine


def test_a_verdict_names_the_file_as_the_student_knows_it():
    """The path that was graded and the folders of the machine are in no text; where the student's own lines are is told
    by the name it was handed in under."""
    verdict = made_up.raises(31, "cannot open /data/kim/private/x.txt and /data/kimberly")
    verdict = replace(
        verdict,
        path="/srv/grading/scratch-7/stub.py",
        prints=(("import", "/srv/grading/scratch-7/stub.py /srv/grading/cache"),),
        notes=("see /srv/grading",),
    )
    shown = moved(verdict, "ada_31.py", ["/srv/grading/", "/data/kim", "/", ""])
    assert (shown.path, shown.prints, shown.notes) == ("ada_31.py", (("import", "ada_31.py …/cache"),), ("see …",))
    assert shown.entries[0].first.summary == "line 12 raises ValueError: cannot open …/private/x.txt and /data/kimberly"


def test_prints_are_cut_short():
    """A few lines of a few calls, the failing one's first, none of them long."""
    prints = tuple(
        (where, "\n".join(f"{where} {index} " + "x" * 500 for index in range(100)))
        for where in ("import", "jit · one key", "eager · unequal lengths")
    )
    shown = shortened(replace(made_up.wrong(), prints=prints)).prints
    assert [where for where, _ in shown] == ["eager · unequal lengths", "import"]
    lines = shown[0][1].splitlines()
    assert len(lines) == 12 and lines[-1] == CUT and max(map(len, lines)) <= MOST_LETTERS + 2
    assert shortened(replace(made_up.wrong(), prints=(("import", "short"),))).prints == (("import", "short"),)


def test_the_courses_own_fault_is_not_spelled_out():
    """What is wrong with the course may quote a solution: the student reads that nobody's answer is to blame."""
    for _, text in of_one(made_up.at_fault()):
        assert "which is not your mistake" in text and "jnp" not in text and "solutions/" not in text


# Pages


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def hostile():
    """The pages of a student all of whose texts are hostile."""
    verdict = made_up.raises(31, HOSTILE)
    entry = replace(
        verdict.entries[0],
        findings=tuple(
            replace(f, detail=HOSTILE, lines=((1, HOSTILE, HOSTILE),)) if f.status == FAILED else f
            for f in verdict.entries[0].findings
        ),
    )
    return dict(
        of_one(
            replace(verdict, entries=(entry,), prints=(("eager · one key", f"```\n# {HOSTILE}\n~~~\n</pre>"),)),
            f"# {HOSTILE}\n```\n</details></pre>".encode(),
            name=HOSTILE,
            trouble=HOSTILE,
        )
    )


def test_html_of_a_hostile_student(hostile):
    """Names, messages, lines and prints are text: no element, attribute or address comes of them, and no script would
    run if one did."""
    found = Tags(hostile[".html"])
    assert found.tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "h2",
        "p",
        "strong",
        "b",
        "bdi",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
        "span",
        "section",
        "div",
        "code",
        "pre",
        "ul",
        "li",
        "h3",
        "tfoot",
        "details",
        "summary",
    }
    assert not any(name.startswith("on") or name == "src" for name, _ in found.attributes)
    assert {value for name, value in found.attributes if name == "href"} == {"#p31", "#p33", "#p39"}
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes
    assert "<script>alert(1)</script>" in "".join(found.texts) and "http" not in re.sub(
        r"http-equiv|evil\.example|http://evil", "", hostile[".html"]
    ).replace("http://", "")


def test_markdown_of_a_hostile_student(hostile):
    """Rendered with HTML and bare addresses allowed, Markdown gives no markup of the student's and no link at all."""
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(hostile[".md"])
    found = Tags(rendered)
    assert found.tags <= {
        "h1",
        "h2",
        "p",
        "strong",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "blockquote",
        "code",
        "pre",
        "sub",
        "details",
        "summary",
    }
    assert {name for name, _ in found.attributes} <= {"class", "style"} and {
        value for name, value in found.attributes if name == "style"
    } == {"text-align:right"}
    assert not re.search(
        r"(?<!\\)(http:|www\.)",
        re.sub(r"(?s)(`{3,})(?:text|python)\n.*?\n\1|(`+).*?\2", "", hostile[".md"]).replace("http\\:", ""),
    )


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("`*_[]<>|~&$@:/wh.tp!#-+= 1)a\n\\\"'"), max_size=30))
def test_no_text_is_markdown(text):
    """Any text, escaped, is shown as itself: between paragraphs, as code, in a fence, and in a sentence with code."""
    render = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render
    words = " ".join(text.split())
    assert "".join(Tags(render(f"x {plain(text)} x")).texts).split() == f"x {words} x".split()
    assert Tags(render(f"{plain(text)}\n\nx")).tags <= {"p"}
    assert "".join(Tags(render(f"x {code(text)}")).texts).split() == (f"x {words}".split() if words else ["x", "``"])
    assert Tags(render(fenced(text))).tags == {"pre", "code"}
    assert Tags(render(f"x {spans(text)}")).tags <= {"p", "code"}


def test_a_page_word_for_word():
    """What a student reads in Markdown: the total, each problem, the smallest failing case, the mistake's sentence and
    the next step."""
    (_, html), (_, text) = of_one(
        made_up.wrong(31, "forgot_the_scale", prints=(("eager · unequal lengths", "q (3, 8)"),))
    )
    digest = made_up.record("ada", made_up.passed()).wanted.digest[:16]
    assert (
        text
        == f"""\
# Feedback for Ada

**4.25 of 100 points**

| problem | | points |
|---|---|---|
| 31 · Scaled dot-product attention | ✗ failed | 0.17 of 1 |
| 33 · Causal masking | – nothing was handed in | – of 1 |
| 39 · Blockwise attention | – nothing was handed in | – of 2 |

The sum: 0.17 + – + – = 0.17 of 4 points, and 0.17 × 100 / 4 = 4.25. – adds nothing: it was not handed in.

## 31 · Scaled dot-product attention: 0.17 of 1 point

✗ `sdpa`: 9 of 17 checks passed

**unequal lengths · eager** `q (3, 8) k (5, 8) v (5, 6)`

12 of 18 values of the output differ, by up to 1 (allowed: 1e-06).

Where: rows 1–2 of 3, every column.

```text
······
██████
██████
```

The first wrong value, at \\[1, 0\\]: yours is 1.716.

> **forgot the scale**
>
> The scores are `sqrt(d_k)` times too large: divide them by `sqrt(d_k)` before the softmax.

Next: run `python -m grader debug 31` in the course's folder.

Your code printed (eager · unequal lengths):

```text
q (3, 8)
```

| part | checks passed | that count | worth | earned |
|---|--:|--:|--:|--:|
| values: each case, as it is and under `jit`, `vmap`, `grad` | 6 of 14 | 4 | 0.6 | 0.171 |
| claims about the program | 1 of 1 | 0 | 0.3 | 0 |
| what is asked of the whole | 2 of 2 | 0 | 0.1 | 0 |
| sum | 9 of 17 | 4 | 1 | 0.171 |

A plain call (eager) is wrong. So properties, claims and what is asked of the whole do not count, also where they passed.

0.171 is rounded to 0.17. The problem is worth 1 point: 0.17 × 1 = 0.17.

<details><summary>the code that was graded</summary>

```python
def f(): ...
```

</details>

<sub>graded 2025-03-01: ada/problems/31\\_sdpa/stub.py, SHA-256 {digest}…; course c1, jax 0.12.0</sub>

## 33 · Causal masking: – of 1 point

For this problem nothing was handed in.

## 39 · Blockwise attention: – of 2 points

For this problem nothing was handed in.

## Points and signs

A problem that passed has all of its points. Otherwise each name that it asks for counts alike, 6 of 10 parts for values, 3 for claims about the program, \
1 for what is asked of the whole; parts that a name does not have are shared out among its others. The last two, and properties, count only where every plain call (eager) is right.

✓ passed, ✗ failed, ? could not be checked, ○ not written, – does not apply, or has no points
"""  # noqa: E501
    )
    shown = " ".join("".join(Tags(html).texts).split())
    for sentence in (
        "Feedback for Ada",
        "0.171 is rounded to 0.17. The problem is worth 1 point: 0.17 × 1 = 0.17.",
        "the code that was graded (1 line)def f(): ...",
        "✓ passed✗ failed? could not be checked○ not written– does not apply",
        "0.17 × 100 / 4 = 4.25.",
        "4.25 of 100 points",
        "12 of 18 values of the output differ, by up to 1 (allowed: 1e-06).",
        "where: rows 1–2 of 3, every column. Row 1, column 0: yours",
        "forgot the scale",
        "run python -m grader debug 31 in a terminal",
        "For this problem nothing was handed in.",
    ):
        assert sentence in shown


def test_code_is_shown_as_python_reads_it():
    """The encoding is the one that the file names; a very long file is cut, and that is told."""
    latin = "# -*- coding: latin-1 -*-\nx = 'é' | 1\n"
    for _, text in of_one(made_up.wrong(31), latin.encode("latin-1")):
        assert "é" in text
    for _, text in of_one(made_up.wrong(31), b"x\n" * 1500):
        assert text.count("\nx") < 1010 and "… and 500 more lines" in text


@pytest.mark.parametrize("codec", ["undefined", "hex", "punycode", "idna", "rot13"])
def test_a_file_that_names_an_odd_codec_has_a_page(codec):
    """Its code is shown as UTF-8: no codec that a student names ends the writing of pages, nor slows it down."""
    for _, text in of_one(made_up.wrong(31), f"# coding: {codec}\n# é\n".encode() + b"#" * (1 << 20)):
        assert "é" in text


def test_points_by_hand_and_what_is_open(tmp_path):
    """An override is told with its reason beside what the checks gave; what could not be checked is told not to be the
    student's mistake."""
    with Gradebook(tmp_path / NAME) as book:
        book.record(made_up.record("ada", made_up.wrong(31)))
        book.record(made_up.record("ada", made_up.unproved(39), b"two"))
        book.override("ada", 31, 0.75, "You explained it, see <notes>", "Dr. K")
        (row,) = marks(book, GRADING, made_up.PROPERTIES)
    for _, text in pages(row, GRADING, made_up.TITLES):
        found = " ".join("".join(Tags(text).texts).split()) if "<html" in text else text.replace("\\", "")
        assert "0.75 points by hand, instead of 0.17 by checks: You explained it, see <notes>." in found
        assert "Not everything could be checked, which is not your mistake." in found and "Dr. K" not in found


def test_only_what_changed_is_written(tmp_path):
    """The second time nothing is written, after a change only the pages that it is about, and no page is ever half."""
    with Gradebook(tmp_path / NAME) as book:
        for student in ("ada", "bela"):
            book.record(made_up.record(student, made_up.passed(), student.encode()))
        out = tmp_path / "feedback"
        assert write_feedback(out, marks(book, GRADING, made_up.PROPERTIES), GRADING, made_up.TITLES) == 4
        assert write_feedback(out, marks(book, GRADING, made_up.PROPERTIES), GRADING, made_up.TITLES) == 0
        book.override("ada", 31, 0, "Copied.", "Dr. K")
        assert write_feedback(out, marks(book, GRADING, made_up.PROPERTIES), GRADING, made_up.TITLES) == 2
        assert sorted(path.name for path in out.iterdir()) == ["ada.html", "ada.md", "bela.html", "bela.md"]


def test_one_misconception_has_one_name_on_a_page(tmp_path):
    """What two names show of one misconception is told once: at the first of them, to which the other leads."""
    first, second, third = "The mask is aligned at the start.", "Aligned at the start as well.", "No scale."

    def entry(name, mistake, sentence, **more):
        return EntryVerdict(name, FAILED, made_up.findings(name, [("jit", "one key")]), mistake, sentence, **more)

    shown = made_up.verdict(
        33,
        FAILED,
        entry("causal_mask", "aligned_at_the_start", first),
        entry("causal_sdpa", "aligned_at_the_start", second, second=Named("forgot_the_scale", third)),
    )
    with Gradebook(tmp_path / NAME) as book:
        book.record(made_up.record("ada", shown))
        found = marks(book, GRADING, made_up.PROPERTIES)
    for _, text in pages(found[0], GRADING, made_up.TITLES):
        assert text.count("aligned at the start.") == 1 and second not in text and third in text
        assert text.count("aligned at the start") == 3
        assert "The same as in" in text and "where it is told." in text
    (problem,) = [one for one in report(found, made_up.TITLES).problems if one.number == 33]
    assert {one.name for one in problem.mistakes} == {"aligned_at_the_start", "forgot_the_scale"}
    assert "; aligned at the start, forgot the scale</li>" in comment(found[0], GRADING, made_up.TITLES)


def test_a_page_that_counts_no_more_is_taken_away(tmp_path):
    """Once a submission is a group's, the page of the one who handed it in would tell points beside the group's; what
    nobody here wrote stays."""
    with Gradebook(tmp_path / NAME) as book:
        book.arrived([Submission("ada_504", "Ada Lovelace"), Submission("bela")])
        book.record(made_up.record("ada_504", made_up.passed()))
        found, out = marks(book, GRADING, made_up.PROPERTIES), tmp_path / "feedback"
    write_feedback(out, found, GRADING, made_up.TITLES)
    (out / "notes.md").write_text("# Of my own\n")
    (out / "plot.html").write_text("<title>Plot</title>")
    mine = {"ada_504": ("Ada Lovelace", "Charles")}
    assert not [line for line in unmet(found, mine) if "alone" in line]
    write_feedback(out, shared(found, mine, {}), GRADING, made_up.TITLES)
    assert sorted(path.name for path in out.iterdir()) == [
        *("Ada_Lovelace.html", "Ada_Lovelace.md", "Charles.html", "Charles.md", "bela.html", "bela.md"),
        *("notes.md", "plot.html"),
    ]
    write_feedback(out, found, GRADING, made_up.TITLES)
    assert not [*out.glob("Charles*")] and (out / "ada_504.html").exists()


def test_only_its_owner_may_read_what_tells_grades(tmp_path):
    """Pages and grades.csv are nobody else's when they are new; who opened one to others finds it open after the next
    run."""
    with Gradebook(tmp_path / NAME) as book:
        book.record(made_up.record("ada", made_up.passed()))
        found = marks(book, GRADING, made_up.PROPERTIES)
    write_feedback(tmp_path / "feedback", found, GRADING, made_up.TITLES)
    export(tmp_path, found, GRADING, "Attention")
    grades = tmp_path / "grades.csv"
    assert {path.stat().st_mode & 0o777 for path in (grades, *(tmp_path / "feedback").iterdir())} == {0o600}
    grades.chmod(0o640)
    export(tmp_path, found, GRADING, "Attention")
    assert grades.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("student", ["../ada", "a/b", "/etc/x"])
def test_a_page_stays_in_its_folder(tmp_path, student):
    """A student whose name leads elsewhere gets no page: nothing is written outside of the folder."""
    with Gradebook(tmp_path / NAME) as book:
        book.arrived([Submission(student)])
        with pytest.raises(ValueError, match="is no file name"):
            write_feedback(
                tmp_path / "results" / "feedback", marks(book, GRADING, made_up.PROPERTIES), GRADING, made_up.TITLES
            )
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("shown", VERDICTS.values(), ids=VERDICTS)
def test_every_kind_of_verdict_has_a_page(shown):
    """Both pages are made of any verdict, name no path of this machine, and tell how many points there are."""
    for _, text in of_one(shown):
        assert "/srv/" not in text and "of 100" in text


def test_what_was_left_out_is_told():
    """What came beside the answers and was not read, the student learns too."""
    left = "belongs to no problem: plots.py"
    for text in dict(of_one(made_up.passed(), notes=(left,), told={NO_PROBLEM: (left,)})).values():
        assert "elongs to no problem: plots.py." in text


def test_notes_are_for_the_instructor(tmp_path):
    """What the grader notes about its own machine is not told."""
    with Gradebook(tmp_path / NAME) as book:
        book.record(made_up.record("ada", replace(made_up.passed(), notes=("The answer key could not be kept.",))))
        mark = marks(book, GRADING, made_up.PROPERTIES)[0].by_problem[31]
    assert told(mark).notes == ()
