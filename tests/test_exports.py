"""The files that come of the marks: what people open, and what Canvas and Moodle import."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader.classroom.arrivals.submission import EMPTY_HANDED, Piece, Submission
from grader.classroom.book.exports import export, files, grades_csv
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.marks import Marks, marks
from grader.classroom.book.roster_file import parsed
from grader.classroom.book.rules import Grading
from grader.classroom.book.spreadsheet import harmless
from grader.classroom.book.unread import unread
from grader.classroom.orders import Tally
from grader.classroom.pages import overview_page
from grader.classroom.pages.feedback import pages
from grader.classroom.pages.machine import class_report
from grader.classroom.pages.overview import report
from grader.classroom.pages.returns import comment
from tests import made_up
from tests.conftest import PROBLEMS as COURSE

GRADING = Grading({31: 1.0, 33: 3.0})
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Attention (88)
    Points Possible,,,,,100
"Lovelace, Ada",41,s41,ada@example.org,One,
"Babbage, Charles",42,s42,charles@example.org,One,
"Hopper, Grace",43,s43,grace@example.org,One,7
"""


@pytest.fixture
def book(tmp_path):
    with Gradebook(tmp_path / NAME) as opened:
        opened.arrived(
            [
                Submission("ada", "Ada Lovelace", {"canvas_id": "41"}),
                Submission("charles", "Charles Babbage", {"canvas_id": "42"}, trouble="the zip file is broken"),
            ]
        )
        opened.record(made_up.record("ada", made_up.passed(31)))
        opened.record(made_up.record("ada", made_up.wrong(33), b"two"))
        yield opened


def rows(text: str) -> list[list[str]]:
    return [*csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))]


def test_grades_for_people(book):
    """One row for each student, with the points of each problem, the total of the maximum, and what has to be known."""
    text = grades_csv(marks(book, GRADING, {}), GRADING)
    assert text.startswith("\ufeff") and text.endswith("\r\n")
    assert rows(text) == [
        ["student", "name", "canvas_id", "31", "33", "total", "flags"],
        ["ada", "Ada Lovelace", "41", "1", "0.78", "44.5", ""],
        ["charles", "Charles Babbage", "42", "", "", "", "nothing could be read"],
    ]


def test_what_could_not_be_read_is_blank_everywhere(book, tmp_path):
    """No 0 is made of it, nor of a total that it belongs to: in grades.csv, in the imports, in the JSON, in the report
    and on the student's pages."""
    book.arrived(
        [
            Submission("grace", "Grace Hopper", {"canvas_id": "43"}),
            Submission("emmy", "Emmy", {"canvas_id": "44"}, trouble=EMPTY_HANDED),
            Submission("late", "Late", {"canvas_id": "45"}),
        ]
    )
    book.record(made_up.record("grace", made_up.passed(31), b"grace"))
    book.record(made_up.record("grace", unread(COURSE[33], Piece(33, "33.py", trouble="33.py is damaged")), b"?"))
    found = marks(book, GRADING, {}, {("late", 31)})
    flags = {
        "ada": "",
        "charles": "nothing could be read",
        "emmy": "nothing handed in",
        "grace": "33: could not be read",
        "late": "31: not graded yet; 33: nothing handed in",
    }
    points = {
        "ada": ["1", "0.78", "44.5"],
        "charles": [""] * 3,
        "emmy": [""] * 3,
        "grace": ["1", "", ""],
        "late": [""] * 3,
    }
    assert {row[0]: row[3:] for row in rows(grades_csv(found, GRADING))[1:]} == {
        student: [*points[student], flags[student]] for student in points
    }
    roster = parsed(CANVAS.encode(), "roster.csv").matched(
        [Submission("ada", ids={"canvas_id": "41"}), Submission("grace", ids={"canvas_id": "43"})]
    )
    assert [row[-1] for row in rows(files(found, GRADING, "Attention", roster)["canvas.csv"])] == [
        "Attention (88)",
        "100",
        "44.5",
        "",
        "7",
    ]
    assert [row[1] for row in rows(files(found, GRADING, "Attention")["canvas.csv"])[2:]] == ["41"]
    told = {
        student["student"]: student for student in class_report(found, GRADING, report(found, {}), Tally())["students"]
    }
    assert (
        told["grace"]["total"] is None
        and [mark["points"] for mark in told["grace"]["problems"]] == [1, None]
        and told["ada"]["total"] == 44.5
    )
    assert report(found, {}).totals == (44.5,) and (report(found, {}).handed_in, report(found, {}).students) == (4, 5)
    page, text = (
        dict(pages(next(row for row in found if row.student.student == "grace"), GRADING, {}))[suffix]
        for suffix in (".html", ".md")
    )
    assert (
        "<strong>–</strong> of 100 points" in page
        and "– of 3" in page
        and "**– of 100 points**" in text
        and "– could not be read | – of 3" in text
    )
    assert "What was handed in could not be read, and has no points yet." in dict(pages(found[1], GRADING, {}))[".md"]
    book.override("grace", 33, 1.5, "Read by hand.", "Dr. K")
    assert [row[3:] for row in rows(grades_csv(marks(book, GRADING, {}), GRADING)) if row[0] == "grace"] == [
        ["1", "1.5", "62.5", "33: points by hand; 33: could not be read"]
    ]
    page = dict(pages(marks(book, GRADING, {})[3], GRADING, {}))[".md"].replace("\\", "")
    assert "> 1.5 points by hand: Read by hand." in page and "no points yet" not in page


def everywhere(row: Marks) -> dict[str, object]:
    """How the points of one student are told in each place."""
    shown, problems = report([row], {}), class_report([row], GRADING, report([row], {}), Tally())["students"][0]
    html, text = (dict(pages(row, GRADING, {}))[suffix] for suffix in (".html", ".md"))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", overview_page.page(shown, GRADING).partition("<h2>Students</h2>")[2])[:3]
    return {
        "grades.csv": rows(grades_csv([row], GRADING))[1][-4:-1],
        "json": [*(mark["points"] for mark in problems["problems"]), problems["total"]],
        "flags": rows(grades_csv([row], GRADING))[1][-1],
        "report": [re.sub("<.*?>", "", cell) for cell in cells],
        "page": re.findall(r"\| ([^|]*) \| ([^|]*) of \d \|\n", text),
        "html": re.findall(r'class="points">([^<]*) of \d</td>', html),
        "sum": next(iter(re.findall(r"The sum: (.*)", text)), ""),
        "comment": re.findall(r": ([^<]*)</li>", comment(row, GRADING, {})),
    }


def test_what_was_not_handed_in_is_blank_everywhere(book):
    """An empty folder, a problem of which nothing came, and points by hand alone are told alike in every file and on
    every page: blank, with the reason, and a flag."""
    book.arrived([Submission("empty", "Empty", trouble=EMPTY_HANDED), Submission("half", "Half")])
    book.arrived([Submission("hand", "Hand", trouble=EMPTY_HANDED), Submission("roster", "Roster")])
    book.record(made_up.record("half", made_up.passed(31), b"half"))
    for student in ("hand", "roster"):
        book.override(student, 33, 1.5, "On paper.", "Dr. K")
    told = {row.student.student: everywhere(row) for row in marks(book, GRADING, {})}
    nothing = "– nothing was handed in"
    assert told["empty"] == {
        "grades.csv": ["", "", ""],
        "json": [None, None, None],
        "flags": "nothing handed in",
        "report": ["–", "–", "–"],
        "page": [(nothing, "–"), (nothing, "–")],
        "html": ["–", "–"],
        "sum": "– + –: nothing that counts was handed in, so there is no total.",
        "comment": ["– of 1, nothing was handed in", "– of 3, nothing was handed in"],
    }
    assert told["half"] == {
        "grades.csv": ["1", "", "25"],
        "json": [1, None, 25],
        "flags": "33: nothing handed in",
        "report": ["✓ 1", "–", "25"],
        "page": [("✓ passed", "1"), (nothing, "–")],
        "html": ["1", "–"],
        "sum": "1 + – = 1 of 4 points, and 1 × 100 / 4 = 25. – adds nothing: it was not handed in.",
        "comment": ["1 of 1; passed", "– of 3, nothing was handed in"],
    }
    by_hand = {
        "grades.csv": ["", "1.5", "37.5"],
        "json": [None, 1.5, 37.5],
        "flags": "nothing handed in; 33: points by hand, and nothing handed in",
        "report": ["–", "1.5", "37.5"],
        "page": [(nothing, "–"), ("– points by hand", "1.5")],
        "html": ["–", "1.5"],
        "sum": "– + 1.5 = 1.5 of 4 points, and 1.5 × 100 / 4 = 37.5. – adds nothing: it was not handed in.",
        "comment": ["– of 1, nothing was handed in", "1.5 of 3; points by hand: On paper."],
    }
    assert told["hand"] == by_hand
    assert told["roster"] == by_hand | {"flags": "31: nothing handed in; 33: points by hand, and nothing handed in"}


def test_how_an_answer_was_found_is_told_everywhere(book):
    """Which of two files counts is a flag in grades.csv and in the JSON, a note in the report, and a sentence on the
    student's pages."""
    book.arrived(
        [
            Submission(
                "ada",
                "Ada Lovelace",
                notes=("31: 31.py counts, not 31_old.py",),
                told={31: ("31.py counts, not 31_old.py",)},
            )
        ]
    )
    found = marks(book, GRADING, {})
    assert rows(grades_csv(found, GRADING))[1][-1] == "31: 31.py counts, not 31_old.py"
    assert class_report(found, GRADING, report(found, {}), Tally())["students"][0]["problems"][0]["flags"] == [
        "31.py counts, not 31_old.py"
    ]
    assert ("a note on what arrived", ("Ada Lovelace: 31: 31.py counts, not 31_old.py",)) in report(found, {}).look
    page, text = (dict(pages(found[0], GRADING, {}))[suffix] for suffix in (".html", ".md"))
    assert "31.py counts, not 31_old.py." in page and "31.py counts, not 31_old.py." in text.replace("\\", "")


def test_flags(book):
    """What is missing, could not be checked or was given by hand stands beside the total."""
    book.arrived([Submission("grace", "Grace Hopper")])
    book.record(made_up.record("grace", made_up.at_fault(31)))
    book.override("grace", 33, 2, "On paper.", "Dr. K")
    assert (
        rows(grades_csv(marks(book, GRADING, {}), GRADING))[-1][-1]
        == "31: course at fault; 33: points by hand, and nothing handed in"
    )


def test_imports_without_a_roster(book):
    """The numbers in the download's names are enough for Canvas's and Moodle's imports, which have every column that
    these ask for; who has nothing graded keeps what is there."""
    book.arrived(
        [Submission("grace", "Grace Hopper", {"moodle_id": "9"}), Submission("anon", "", {"canvas_id": "anon_x1"})]
    )
    for student in ("grace", "anon"):
        book.record(made_up.record(student, made_up.passed(33), student.encode()))
    made = files(marks(book, GRADING, {}), GRADING, "Attention")
    assert {*made} == {"grades.csv", "canvas.csv", "moodle.csv"}
    assert rows(made["canvas.csv"]) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Attention"],
        ["    Points Possible", "", "", "", "", "100"],
        ["Ada Lovelace", "41", "", "", "", "44.5"],
    ]
    assert rows(made["moodle.csv"]) == [
        ["Identifier", "Full name", "Grade", "Last modified (grade)"],
        ["Participant 9", "Grace Hopper", "75", "-"],
    ]


def test_one_number_is_one_student(book, tmp_path):
    """Whose name was changed in the system between two downloads is two students here and one there: who is still here
    is in the import, of two neither, and that is told."""
    book.arrived([Submission("king", "Ada King", {"canvas_id": "41"})])
    book.record(made_up.record("king", made_up.passed(33)))
    found = marks(book, GRADING, {})
    later = [replace(row, gone=row.student.student == "ada") for row in found]
    assert rows(files(later, GRADING, "Attention")["canvas.csv"])[2:] == [["Ada King", "41", "", "", "", "75"]]
    assert export(tmp_path, later, GRADING, "Attention") == [
        "ada and king have one number, 41, and only king is in canvas.csv: call their files by one name, and all of "
        "them count"
    ]
    assert rows(files(found, GRADING, "Attention")["canvas.csv"])[2:] == []
    assert export(tmp_path, found, GRADING, "Attention") == [
        "ada and king have one number, 41, and none of them is in canvas.csv: call their files by one name, and all "
        "of them count"
    ]


def test_no_import_where_nobody_can_be_found_by_it(tmp_path):
    """Folders with names alone make no file for a system that wants numbers."""
    with Gradebook(tmp_path / NAME) as book:
        book.record(made_up.record("ada", made_up.passed(31)))
        assert {*files(marks(book, GRADING, {}), GRADING, "Attention")} == {"grades.csv"}


def test_a_roster_is_filled(book):
    """The system's own export goes back with the totals in its column; names and numbers of grades.csv are the
    roster's, and who is missing has a row."""
    found = marks(book, GRADING, {})
    roster = parsed(CANVAS.encode(), "roster.csv").matched(
        [Submission("ada", ids={"canvas_id": "41"}), Submission("charles", ids={"canvas_id": "42"})]
    )
    made = files(found, GRADING, "Attention", roster)
    assert {*made} == {"grades.csv", "canvas.csv"}
    assert [row[-1] for row in rows(made["canvas.csv"])] == ["Attention (88)", "100", "44.5", "", "7"]
    told = rows(made["grades.csv"])
    assert told[0] == ["student", "name", "canvas_id", "email", "login", "sis_id", "31", "33", "total", "flags"]
    assert told[1][:6] == ["ada", "Lovelace, Ada", "41", "ada@example.org", "ada@example.org", "s41"]
    assert told[3] == [
        "",
        "Hopper, Grace",
        "43",
        "grace@example.org",
        "grace@example.org",
        "s43",
        "",
        "",
        "",
        "nothing arrived",
    ]


def test_who_is_gone_keeps_grade_and_flag(book):
    """Whose submission was taken away has the grade in the import still, one row in grades.csv, and a flag."""
    found = [replace(row, gone=True) for row in marks(book, GRADING, {})]
    made = files(
        found, GRADING, "Attention", parsed(CANVAS.encode(), "roster.csv").matched([], [row.student for row in found])
    )
    assert [row[-1] for row in rows(made["canvas.csv"])] == ["Attention (88)", "100", "44.5", "", "7"]
    assert [(row[1], row[-1]) for row in rows(made["grades.csv"])[1:]] == [
        ("Lovelace, Ada", "no longer among the submissions"),
        ("Babbage, Charles", "no longer among the submissions; nothing could be read"),
        ("Hopper, Grace", "nothing arrived"),
    ]


@example('"\t')
@given(st.one_of(st.text(max_size=20), st.text(st.sampled_from(" ;,|\t\r\n'\"=+-@＝a1"), max_size=8)))
def test_no_cell_is_a_formula(text):
    """Whatever a student is called, a spreadsheet that opens grades.csv runs nothing, and the name can still be
    read."""
    for cell in (harmless(text), *re.split("[;,|\t\r\n]", harmless(text))):  # whichever separator it knows
        assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))
    assert harmless(text).replace("'", "") == text.replace("'", "")


def test_a_hostile_name_in_grades(book):
    """Formulas, quotes, commas and line ends in names stay within their cell, as text."""
    names = [
        '=HYPERLINK("http://evil","x")',
        "+1+cmd|' /C calc'!A0",
        "@SUM(A1)",
        "-2",
        'a",b\n=1',
        "\t=1",
        "a;=1+1",
        "Lovelace, Ada; the first",
    ]
    book.arrived([Submission(f"s{index}", name, {"email": name}) for index, name in enumerate(names)])
    told = {row[0]: row[1] for row in rows(grades_csv(marks(book, GRADING, {}), GRADING))}
    assert [told[f"s{index}"] for index in range(8)] == [
        f"'{names[0]}",
        f"'{names[1]}",
        f"'{names[2]}",
        f"'{names[3]}",
        "a\",b\n'=1",
        "'\t'=1",
        "a;'=1+1",
        names[7],
    ]


def test_a_hostile_name_in_imports(book):
    """Nor does a name run in the files that Canvas and Moodle import, neither of which reads it."""
    evil = '=HYPERLINK("http://evil","x")'
    book.arrived([Submission("c", evil, {"canvas_id": "43"}), Submission("m", evil, {"moodle_id": "9"})])
    for student in ("c", "m"):
        book.record(made_up.record(student, made_up.passed(31), student.encode()))
    made = files(marks(book, GRADING, {}), GRADING, "Attention")
    assert rows(made["canvas.csv"])[-1][:2] == [f"'{evil}", "43"] and rows(made["moodle.csv"])[-1][:2] == [
        "Participant 9",
        f"'{evil}",
    ]


def test_files_are_written_whole(book, tmp_path, monkeypatch):
    """Each file is there as it was or as it will be, never half: what cannot be written leaves the old one, with a
    sentence."""
    found = marks(book, GRADING, {})
    assert export(tmp_path, found, GRADING, "Attention") == []
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    assert sorted(path.name for path in before) == ["canvas.csv", "grades.csv"] and not [*tmp_path.glob("*.tmp")]
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="grades.csv cannot be written"):
        export(tmp_path, found, Grading({31: 1.0}), "Attention")
    assert {path: path.read_bytes() for path in before} == before and not [*tmp_path.glob("*.tmp")]


def test_what_to_know_before_an_import(book, tmp_path):
    """Grades on another scale than the roster's are not written, nor left from an earlier run, unless they are asked
    for on the roster's."""
    roster, tens = (
        parsed(CANVAS.encode(), "roster.csv").matched([Submission("ada", ids={"canvas_id": "41"})]),
        Grading(GRADING.weights, maximum=10),
    )
    assert export(tmp_path, marks(book, tens, {}), tens, "Attention", roster, scaled=True) == [
        "canvas.csv is out of 100 points, as Canvas counts this assignment; in all other files the totals are out of 10"
    ]
    assert [row[-1] for row in rows((tmp_path / "canvas.csv").read_text("utf-8"))] == [
        "Attention (88)",
        "100",
        "44.5",
        "",
        "7",
    ]
    assert [row[-2] for row in rows((tmp_path / "grades.csv").read_text("utf-8"))] == ["total", "4.45", "", "", ""]
    told = export(tmp_path, marks(book, tens, {}), tens, "Attention", roster)
    assert told[0].startswith(
        "canvas.csv is not written: Canvas counts this assignment out of 100 points, and the totals here are out of "
        "10: --scale writes them out of 100, "
    )
    assert "canvas.csv of an earlier run is taken away" in told[1] and not (tmp_path / "canvas.csv").exists()


def test_no_import_of_an_earlier_run_is_left(book, tmp_path):
    """A file that this run does not write holds old grades: it is taken away and told, and what is no import stays."""
    (tmp_path / "mine.csv").touch()
    roster = parsed(b"identifier,github_username,github_id,name\nada,ada-gh,1,Ada\n", "roster.csv").matched([])
    assert export(tmp_path, marks(book, GRADING, {}), GRADING, "Attention", roster) == []
    assert export(tmp_path, marks(book, GRADING, {}), GRADING, "Attention") == [
        "github.csv of an earlier run is taken away, since its grades may be old: the same command as then makes it "
        "anew"
    ]
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["canvas.csv", "grades.csv", "mine.csv"]
    assert export(tmp_path, marks(book, GRADING, {}), GRADING, "Attention") == []


def test_grades_of_nobody():
    """A class of nobody has a heading."""
    assert rows(grades_csv([], GRADING)) == [["student", "name", "31", "33", "total", "flags"]]
