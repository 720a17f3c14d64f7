"""The class report: which misconceptions the class has, what became of each problem, and what somebody has to look
at."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from grader.classroom.arrivals.submission import Piece, Submission
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.marks import marks
from grader.classroom.book.roster_file import parsed
from grader.classroom.book.rules import Grading
from grader.classroom.book.unread import unread
from grader.classroom.orders import Tally
from grader.classroom.pages.feedback import pages
from grader.classroom.pages.machine import class_report
from grader.classroom.pages.overview import Report, report
from grader.classroom.pages.overview_page import _distribution, _percent, page, write_report
from grader.classroom.pages.similar import Alike, Side
from grader.classroom.pages.summary import summary
from grader.course.problem import mistakes
from grader.course.verdict import Check, EntryVerdict, Finding
from tests import made_up
from tests.browser import browser, serious  # noqa: F401
from tests.conftest import PROBLEMS as COURSE

GRADING = Grading({31: 1.0, 33: 1.0, 39: 1.0})
# what several banks have, by the one name that it has in all of them
SHARED = {
    "inverted_the_mask": (33, 34, 35, 36, 38),
    "ignored_the_mask": (33, 34, 35),
    "hidden_by_a_small_number": (33, 34, 35, 36, 38, 44),
    "mask_after_the_softmax": (33, 34, 35, 36, 38, 44),
    "nan_where_nothing_is_seen": (34, 35, 39, 40),
    "mean_where_nothing_is_seen": (34, 35, 39, 40),
    "scale_of_the_whole_width": (32, 34, 35, 36, 37),
    "joined_by_reshape_alone": (32, 34, 35, 36, 37),
    "aligned_at_the_start": (33, 36, 39, 40),
}
HOSTILE = '<script>alert(1)</script>"onload=x'


class Elements(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def images(self) -> list[str]:
        return [attributes["aria-label"] for tag, attributes in self.elements if attributes.get("role") == "img"]


@pytest.fixture
def book(tmp_path):
    with Gradebook(tmp_path / NAME) as opened:
        yield opened


def alike(one: str, other: str, share: float) -> Alike:
    return Alike(31, (Side((one,), "", share, ()), Side((other,), "", share, ())), 0)


def told(book, **more) -> Report:
    return report(marks(book, GRADING, made_up.PROPERTIES), made_up.TITLES, **more)


@pytest.fixture
def small(book):
    """Five students: one solved all, two forgot the scale, one of them twice, one is stuck otherwise, one file is
    unreadable."""
    book.arrived([Submission(name, name.title()) for name in ("ada", "bela", "chidi", "dalia", "emre")])
    for number in made_up.TITLES:
        book.record(made_up.record("ada", made_up.passed(number)))
    for student, shown in (
        ("bela", made_up.wrong(31, "forgot_the_scale")),
        ("bela", made_up.wrong(39, "forgot_the_scale")),
        ("chidi", made_up.wrong(31, "forgot_the_scale")),
        ("chidi", made_up.uneconomical(39)),
        ("dalia", made_up.raises(31)),
        ("dalia", made_up.untouched(33)),
        ("dalia", made_up.unproved(39)),
        ("emre", unread(COURSE[31], Piece(31, "31.py", trouble="31.py is empty"))),
    ):
        book.record(made_up.record(student, shown, f"{student}{shown.number}".encode()))
    book.record(made_up.record("bela", made_up.wrong(31, "softmax_over_queries"), b"second try"))
    book.record(made_up.record("bela", made_up.wrong(31, "forgot_the_scale"), b"third try"))
    return book


def test_what_the_class_can_and_cannot_do(small):
    """Each student's last attempt is counted once at each problem: as passed, as a known mistake, as another failure,
    as not run, or as missing."""
    found = told(small)
    assert (found.students, found.handed_in, found.solved, len(found.totals)) == (5, 5, 1, 4)
    assert {
        problem.number: {end: number for end, number in problem.ends.items() if number} for problem in found.problems
    } == {
        31: dict(passed=1, failed=2, other=1, unread=1),
        33: dict(passed=1, unwritten=1, missing=3),
        39: dict(passed=1, failed=2, open=1, missing=1),
    }
    assert [round(problem.attempts, 2) for problem in found.problems] == [1.4, 1.0, 1.0]
    assert [problem.unnamed for problem in found.problems] == [
        (("one key · jit", 1),),
        (("not written", 1),),
        (("could not be checked", 1),),
    ]


def test_what_nobody_judged_is_no_failure(book):
    """How many passed is counted over those whose answers there is a verdict on; how many could not be read stands
    beside it, and who has such a file alone is in no misconception's class."""
    for student, shown in (("ada", made_up.passed(31)), ("bela", made_up.wrong(31, "forgot_the_scale"))):
        book.record(made_up.record(student, shown, student.encode()))
    book.record(made_up.record("cy", unread(COURSE[31], Piece(31, "31.py", trouble="31.py is a PDF")), b"cy"))
    book.arrived([Submission("dee", "Dee", trouble="the zip file is broken")])
    found = told(book)
    assert [(one.ends["passed"], one.judged, one.ends["unread"], one.handed_in) for one in found.problems] == [
        (1, 2, 2, 4),
        (0, 0, 1, 1),
        (0, 0, 1, 1),
    ]
    text = Elements(page(found, GRADING)).text
    assert "1 of 2 passed 1 passed, 1 a known mistake, 2 could not be read" in text
    assert "none was judged 1 could not be read" in text
    assert "1 of 2 students" in text and "of 4 passed" not in text


def test_a_name_that_is_not_written_is_no_failure(book):
    """A name that raises NotImplementedError beside names that are right is not written, in the report as on the
    student's page; beside one that is wrong, the wrong one is told."""

    def verdict(*statuses):
        found = {
            made_up.PASSED: made_up.findings("f"),
            made_up.FAILED: made_up.findings("g", [("jit", made_up.CASES[0])]),
            made_up.NOT_WRITTEN: (Finding(Check("h", "eager", "one key"), made_up.NOT_WRITTEN, "it raises"),),
        }
        entries = [EntryVerdict(f"name_{status.name.lower()}", status, found[status]) for status in statuses]
        return made_up.verdict(31, made_up.FAILED, *entries)

    book.record(made_up.record("ada", verdict(made_up.PASSED, made_up.NOT_WRITTEN), b"1"))
    book.record(made_up.record("bela", verdict(made_up.NOT_WRITTEN, made_up.FAILED), b"2"))
    (found, *_) = told(book).problems
    assert (found.ends["unwritten"], found.ends["other"], found.judged) == (1, 1, 2)
    assert dict(found.unnamed) == {"name_not_written: not written": 1, "name_failed: one key · jit": 1}


def test_two_of_one_name_are_told_apart(book):
    """The report calls students by their names, in what has to be looked at as in the table; two who are called alike
    have their keys beside them."""
    book.arrived(
        [
            Submission("li_1", "Wei Li", notes=("late",)),
            Submission("li_2", "Wei Li", notes=("late",)),
            Submission("gauss_3", "C. F. Gauss", notes=("late",)),
        ]
    )
    found = told(book)
    assert dict(found.look)["a note on what arrived"] == (
        "C. F. Gauss: late",
        "Wei Li (li_1): late",
        "Wei Li (li_2): late",
    )
    table = Elements(page(found, GRADING).partition("<h2>Students</h2>")[2].partition("<h2>")[0]).text
    assert "Wei Li (li_1)" in table and "Wei Li (li_2)" in table and "(gauss_3)" not in table


def test_misconceptions(small):
    """A mistake that a student makes at two problems is one misconception of one student; the most common comes
    first."""
    found = told(small)
    assert [(one.name, len(one.students), one.problems) for one in found.teach] == [
        ("forgot_the_scale", 2, (31, 39)),
        ("whole_matrix", 1, (39,)),
    ]
    assert found.teach[0].sentence == made_up.MISTAKES["forgot_the_scale"]
    assert [(one.name, len(one.students)) for one in found.problems[2].mistakes] == [
        ("forgot_the_scale", 1),
        ("whole_matrix", 1),
    ]


def test_what_has_to_be_looked_at(book):
    """Whoever is missing, unknown or ambiguous, what could not be read or checked or was taken on trust, points by hand
    and notes: each by name."""
    book.arrived(
        [
            Submission("ada", "Ada", {"canvas_id": "1"}, notes=("late",)),
            Submission("bela", "Bela", trouble="the zip file is broken"),
            Submission("eve", "Eve"),
        ]
    )
    book.record(made_up.record("ada", made_up.unproved(39), trusted=("traces",)))
    book.record(made_up.record("ada", unread(COURSE[31], Piece(31, "31.py", trouble="31.py is empty")), b"2"))
    book.record(made_up.record("ada", made_up.at_fault(33), b"3"))
    book.override("bela", 31, 0.5, "By mail.", "Dr. K")
    roster = parsed(b"Student,ID,SIS User ID,SIS Login ID,Section\nAda,1,,,\nZoe,2,,,\n", "r.csv").matched(
        [Submission("ada", ids={"canvas_id": "1"}), Submission("eve", "Eve")]
    )
    assert dict(told(book, roster=roster).look) == {
        "on the roster, and nothing arrived": ("Zoe",),
        "arrived, and is not on the roster": ("Eve",),
        "nothing of it could be read": ("Bela: The zip file is broken.",),
        "one file could not be read": ("Ada, 31: 31.py is empty.",),
        "not everything could be checked": ("Ada, 33: 0 of 1 so far", "Ada, 39: 0.7 of 1 so far"),
        "a fact was taken on trust": ("Ada, 39: traces",),
        "points by hand": ("Bela, 31: 0.5. By mail.",),
        "a note on what arrived": ("Ada: late",),
    }


def test_who_is_no_longer_among_the_submissions(small):
    """Whose work was taken away is told, and so is who handed in under another name since; neither is one of whom
    nothing arrived."""
    rows = [
        replace(row, gone=row.student.student in ("ada", "bela")) for row in marks(small, GRADING, made_up.PROPERTIES)
    ]
    roster = parsed(b"Student,ID,SIS User ID,SIS Login ID,Section\nAda,1,,,\nBela,2,,bela,\n", "r.csv").matched(
        [Submission("chidi", ids={"canvas_id": "2"})], [row.student for row in rows if row.gone]
    )
    found = report(rows, made_up.TITLES, roster=roster)
    assert found.students == 5 and dict(found.look[:2]) == {
        "no longer among the submissions, and graded as before": ("Ada",),
        "handed in under another name since, which alone counts": ("Bela: now Chidi",),
    }


def test_waived_limits_and_mixed_versions(small):
    """Limits that the machine did not give are named on top, and so is that some verdicts were given under other
    checks."""
    assert told(small).waived == () == told(small).versions
    small.record(made_up.record("ada", made_up.passed(33), b"later", key="mended", waived=("network", "pids")))
    found = told(small)
    assert found.waived == ("network", "pids")
    assert found.versions == (
        "33: verdicts were given under 2 versions of the course; --regrade shows what would change",
    )
    text = Elements(page(found, GRADING)).text
    assert "these were waived: network, pids." in text and found.versions[0] in text


def test_the_page_needs_nothing_else(small):
    """No script, no other file, no address; every picture has its words, and colour is never alone."""
    found = Elements(page(told(small, alike=[alike("ada", "bela", 0.934)]), GRADING))
    assert {tag for tag, _ in found.elements} & {"script", "img", "link", "iframe", "object"} == set()
    assert {attributes["href"].partition("#")[0] for tag, attributes in found.elements if tag == "a"} == {
        "similar.html",
        *(f"feedback/{student}.html" for student in ("ada", "bela", "chidi", "dalia", "emre")),
    }
    assert not any(
        re.match(r"\s*(https?:|//)", str(value)) for _, attributes in found.elements for value in attributes.values()
    )
    svgs = [attributes for tag, attributes in found.elements if tag == "svg"]
    assert svgs and all(attributes["role"] == "img" and attributes["aria-label"] for attributes in svgs)
    assert "2 of 4 students" in found.images()
    words = "1 passed, 2 a known mistake, 1 failed without a known mistake, 1 could not be read"
    assert words in found.images() and words in found.text
    assert "Ada and Bela" in found.text and "93 %" in found.text


def test_students_by_problems(small):
    """Each student has a row: points at each problem with the verdict's sign, which lead to what the student reads
    about it; the names are the students'. What could not be read is no 0, nor is its total."""
    small.record(made_up.record("ada", made_up.passed(31)))
    html = page(told(small), GRADING)
    table = Elements(html.partition("<h2>Students</h2>")[2].partition("<h2>")[0])
    assert table.text == (
        "student 31 33 39 of 100 Ada ✓ 1 ✓ 1 ✓ 1 100 Bela ✗ 0.17 – ✗ 0.17 11.33 Chidi ✗ 0.17 – ✗ 0.7 29 "
        "Dalia ✗ 0.61 ○ 0 ? 0.7 43.67 Emre – – – –"
    )
    links = [attributes["href"] for tag, attributes in table.elements if tag == "a"]
    assert links[:4] == ["feedback/ada.html", "feedback/ada.html#p31", "feedback/ada.html#p33", "feedback/ada.html#p39"]


def test_who_has_which_misconception(small):
    """Beside each misconception stand those who have it, as links to their pages; its bar is their part of those of
    whom something was judged, so that few are never a full bar."""
    html = page(told(small), GRADING)
    first = Elements(html.partition("What to teach next</h2>")[2].partition("</li>")[0])
    assert first.text.startswith("forgot the scale 2 of 4 students · at 31 and 39") and first.text.endswith(
        "Bela , Chidi"
    )
    bar = next(attributes for tag, attributes in first.elements if tag == "rect")
    assert float(bar["width"]) == pytest.approx(50, abs=0.5)


def test_one_misconception_has_one_name(book):
    """What two names of a problem, or two problems, show of one misconception is one line with all who have it."""
    book.record(made_up.record("ada", made_up.wrong(33, "one_key_too_many")))
    book.record(made_up.record("bela", made_up.wrong(33, "one_key_too_many"), b"2"))
    book.record(made_up.record("cy", made_up.wrong(31, "forgot_the_scale"), b"3"))
    book.record(made_up.record("ada", made_up.wrong(39, "forgot_the_scale"), b"4"))
    assert [(one.name, sorted(one.students), one.problems) for one in told(book).teach] == [
        ("forgot_the_scale", ["ada", "cy"], (31, 39)),
        ("one_key_too_many", ["ada", "bela"], (33,)),
    ]
    names = {number: {known.name for known in mistakes(COURSE[number].solutions / "mistakes.py")} for number in COURSE}
    for name, numbers in SHARED.items():
        assert all(name in names[number] for number in numbers), name


def test_a_few_students_make_no_distribution(book):
    """Of a small class each total is told, and no share: one of two is no trend."""
    for student in ("ada", "bela"):
        book.record(
            made_up.record(student, made_up.passed(31) if student == "ada" else made_up.wrong(31), student.encode())
        )
    found = Elements(page(told(book), GRADING).partition("</head>")[2]).text
    assert "1 of 2 passed" in found and "%" not in found and "5.67, 33.33 of 100. The median is 19.5." in found


def test_warnings_before_an_import(small):
    """What to know before grades are imported stands on top of the page, in the terminal and in the JSON."""
    found = told(small, warnings=["set `maximum = 10`"])
    assert "Set maximum = 10 ." in Elements(page(found, GRADING)).text and "set `maximum = 10`" in lines(found)
    assert class_report([], GRADING, found, Tally())["warnings"] == ["set `maximum = 10`"]


def test_a_hostile_class(book):
    """Names, notes, troubles and reasons are text on the page."""
    book.arrived([Submission("s", HOSTILE, {"email": HOSTILE}, trouble=HOSTILE, notes=(HOSTILE,))])
    book.override("s", 31, 1, HOSTILE, HOSTILE)
    found = Elements(page(told(book, alike=[alike(HOSTILE, "s", 1.0)]), GRADING))
    assert "script" not in {tag for tag, _ in found.elements} and not any(
        name.startswith("on") for _, attributes in found.elements for name in attributes
    )
    assert "<script>alert(1)</script>" in found.text


def test_a_class_of_nobody(book, tmp_path):
    """An empty class has a page and a summary."""
    path = write_report(tmp_path, [], GRADING, made_up.TITLES)
    assert path.name == "report.html" and "No known mistake was found." in path.read_text()
    assert lines(told(book)) == ["0 of 0 students handed in; 0 passed everything"]


@given(st.lists(st.floats(0, 120), min_size=1, max_size=40))
def test_the_distribution_counts_everybody(totals):
    """Each student stands in one step, full points and a bonus in the last."""
    (label,) = Elements(_distribution(totals, 100.0)).images()
    assert sum(int(number) for number in re.findall(r"(\d+) students? from", label)) == len(totals)


@pytest.mark.parametrize(
    "part, whole, told",
    [(0, 5, "0 %"), (5, 5, "100 %"), (1, 3, "33 %"), (999, 1000, "99 %"), (1, 1000, "1 %"), (0, 0, "0 %")],
)
def test_per_cents(part, whole, told):
    """All is 100, nothing is 0, and nothing else is."""
    assert _percent(part, whole) == told


def lines(found: Report) -> list[str]:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    summary(console, found, GRADING)
    return console.file.getvalue().splitlines()


def test_the_summary_in_the_terminal(small):
    """A dozen lines at 80 columns, word for word."""
    assert lines(told(small)) == [
        "5 of 5 students handed in; 1 passed everything, median 36.335 of 100",
        "31  Scaled dot-product atte…  █████░░░░░░░░░░░░░░░  1 of 4 passed, 1 unread",
        "33  Causal masking            ██████████░░░░░░░░░░  1 of 2 passed",
        "39  Blockwise attention       ███████░░░░░░░░░░░░░  1 of 3 passed, 1 unchecked",
        "teach next: forgot the scale, 2 students at 31 and 39",
        "            whole matrix, 1 student at 39",
        "to look at: one file could not be read (1); not everything could be checked (1)",
    ]


def test_answers_that_are_alike_are_in_the_summary(small):
    """With --similar the terminal names those who are most alike, who handed in one text together, and says where they
    stand side by side; it says so too where there are none, and nothing where nobody looked. The JSON has them."""
    same = Alike(31, (Side(("chidi", "dalia", "emre", "s1", "s2"), "", 1.0, ()),), 200)
    found = told(small, alike=[alike("ada", "bela", 0.934), same, *(alike("chidi", f"s{n}", 0.8) for n in range(3))])
    assert (
        "alike: Ada and Bela at 31; Chidi, Dalia, Emre and 2 more at 31; Chidi and s0 at 31; and 2 times more; "
        "side by side in similar.html" in " ".join(lines(found))
    )
    assert "<bdi>Emre</bdi>, <bdi>s1</bdi> and <bdi>s2</bdi>" in page(found, GRADING)
    assert "alike: no two answers" in lines(told(small, alike=[])) and "alike" not in " ".join(lines(told(small)))
    assert "No two answers are alike." in page(told(small, alike=[]), GRADING)
    as_json = class_report([], GRADING, found, Tally())["alike"]
    assert as_json[0] == dict(problem=31, students=["ada", "bela"], share=0.934, same=False) and len(as_json) == 5
    assert as_json[1]["same"] and len(as_json[1]["students"]) == 5
    assert class_report([], GRADING, told(small), Tally())["alike"] is None


def test_a_class_of_sixty(book):
    """In a made-up class every student is counted once at each problem, and the report agrees with the gradebook."""
    made_up.fill(book)
    found = told(book)
    statuses = Counter((grade.problem, grade.status.value) for grade in book.grades())
    for problem in found.problems:
        assert (
            sum(problem.ends.values()) == found.handed_in
            and problem.ends["passed"] == statuses[problem.number, "passed"]
        )
    assert len(page(found, GRADING)) < 100_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_in_a_browser(book, browser, scheme):  # noqa: F811
    """On a phone no page is wider than the screen, no script or other file is asked for, and axe finds nothing serious,
    in light and dark."""
    made_up.fill(book, 12)
    rows = marks(book, GRADING, made_up.PROPERTIES)
    wrong = next(row for row in rows if any(mark.names and mark.names[0].mistake for mark in row.by_problem.values()))
    context = browser.new_context(viewport=dict(width=390, height=844), color_scheme=scheme)
    asked = []
    for html in (
        page(told(book, alike=[alike("ada", "bela", 0.9)]), GRADING),
        dict(pages(wrong, GRADING, made_up.TITLES))[".html"],
    ):
        shown = context.new_page()
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: asked.append(message.text))
        shown.set_content(html)
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390 and asked == []
        shown = context.new_page()
        shown.set_content(html.replace("Content-Security-Policy", "X"))  # axe is a script
        assert serious(shown, "html") == []
    context.close()
