"""What goes back: feedback under the names that Moodle's and Canvas's uploads ask for, a comment for Moodle's column,
and a group's grade for each of its members."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import pytest

from grader.classroom.arrivals.naming import named
from grader.classroom.arrivals.submission import EMPTY_HANDED, Piece, Submission
from grader.classroom.book import group_marks, groups
from grader.classroom.book.entries import Wanted
from grader.classroom.book.exports import files, grades_csv
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.late import CANVAS as BY_CANVAS
from grader.classroom.book.late import Came, Policy
from grader.classroom.book.marks import Mark, marks
from grader.classroom.book.roster_file import parsed
from grader.classroom.book.rules import Grading, read_grading
from grader.classroom.book.unread import unread
from grader.classroom.pages.feedback import write_feedback
from grader.classroom.pages.returns import CANVAS, MOODLE, comment, write_returns
from grader.course.select import UsageError
from grader.judge.explain import ENDED
from tests import made_up
from tests.conftest import PROBLEMS as COURSE

GRADING = Grading({31: 1.0, 33: 1.0})
WORKSHEET = """Identifier,Full name,Status,Grade,Last modified (submission),Last modified (grade),Feedback comments
Participant 9,Ada Lovelace,Submitted for grading,,-,-,
Participant 10,Charles Babbage,Submitted for grading,,-,-,Well said in the seminar.
Participant 11,Grace Hopper,No submission,,-,-,
"""


@pytest.fixture
def book(tmp_path):
    with Gradebook(tmp_path / NAME) as opened:
        opened.arrived(
            [
                Submission("Ada_Lovelace_9", "Ada Lovelace", {"moodle_id": "9"}),
                Submission("Charles_10", "Charles Babbage", {"moodle_id": "10"}),
                Submission("hoppergrace_43", "hoppergrace", {"canvas_id": "43"}),
                Submission("team_1"),
            ]
        )
        opened.record(made_up.record("Ada_Lovelace_9", made_up.wrong(31, "forgot_the_scale")))
        for student in ("Charles_10", "hoppergrace_43", "team_1"):
            opened.record(made_up.record(student, made_up.passed(31), student.encode()))
        yield opened


def inside(path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_feedback_goes_back_to_moodle_and_canvas(book, tmp_path):
    """Each student's page is in the zip under a name by which the system finds the student, and in no other's; who
    cannot be found is in none."""
    found = marks(book, GRADING, {})
    write_feedback(tmp_path / "feedback", found, GRADING, made_up.TITLES)
    people = [Submission("hoppergrace_43", "hoppergrace", {"canvas_id": "43"}, file="801")]
    assert write_returns(tmp_path, found, people, {}) == [MOODLE, CANVAS]
    moodle, canvas = inside(tmp_path / MOODLE), inside(tmp_path / CANVAS)
    assert {*moodle} == {
        "Ada Lovelace_9_assignfeedback_file_feedback.html",
        "Charles Babbage_10_assignfeedback_file_feedback.html",
    }
    assert all(f"Feedback for <bdi>{name.partition('_')[0]}" in page for name, page in moodle.items())
    ((name, page),) = canvas.items()
    assert [part for part in name.split("_") if re.fullmatch(r"\d+", part)] == ["43", "801"] and page.startswith(
        "# Feedback for hoppergrace"
    )
    assert (tmp_path / MOODLE).stat().st_mode & 0o777 == 0o600
    before = (tmp_path / MOODLE).read_bytes()
    write_returns(tmp_path, found, people, {})
    assert (tmp_path / MOODLE).read_bytes() == before
    write_returns(tmp_path, found, [], {})
    assert not (tmp_path / CANVAS).exists()


def test_a_name_moves_no_feedback_to_another_student(book, tmp_path):
    """Numbers and separators in a name are not taken for a number, nor for a place."""
    book.arrived(
        [
            Submission("Ada_Lovelace_9", "Eve_10_../x 77", {"moodle_id": "9"}),
            Submission("hoppergrace_43", "x_99_12", {"canvas_id": "43"}),
        ]
    )
    found = marks(book, GRADING, {})
    write_feedback(tmp_path / "feedback", found, GRADING, made_up.TITLES)
    write_returns(tmp_path, found, [Submission("hoppergrace_43", file="801")], {})
    assert "Eve x_9_assignfeedback_file_feedback.html" in inside(tmp_path / MOODLE) and [
        *inside(tmp_path / CANVAS)
    ] == ["x_43_801_feedback.md"]


def test_the_download_tells_the_file_that_feedback_is_attached_to():
    """The number of the file is the second one in the names of Canvas's download."""
    assert (
        named("hoppergrace_LATE_43_801_31.py").file == "801"
        and named("hoppergrace_43_text.html").file == "" == named("Ada_9_assignsubmission_file_31.py").file
    )


def test_moodles_column_of_feedback(book):
    """The worksheet goes back with a comment for each who has a grade; a person's own comment stays, and ours follows
    the grade."""
    found = marks(book, GRADING, {})
    comments = {row.student.student: comment(row, GRADING, made_up.TITLES) for row in found}
    assert comments["Ada_Lovelace_9"] == (
        "<p>Attention track: 13 of 100 points.</p><ul><li>31 · Scaled dot-product attention: 0.26 of 1; failed; "
        "forgot the scale</li>"
        "<li>33 · Causal masking: – of 1, nothing was handed in</li></ul>"
    )
    people = [Submission("Ada_Lovelace_9", ids={"moodle_id": "9"}), Submission("Charles_10", ids={"moodle_id": "10"})]
    sheet = WORKSHEET
    for _ in range(2):
        sheet = files(found, GRADING, "Attention", parsed(sheet.encode(), "m.csv").matched(people), comments)[
            "moodle.csv"
        ]
        rows = [*csv.DictReader(io.StringIO(sheet))]
        assert [row["Feedback comments"] for row in rows] == [
            comments["Ada_Lovelace_9"],
            "Well said in the seminar.",
            "",
        ]
        assert [row["Grade"] for row in rows] == ["13", "50", ""]
    alone = [*csv.DictReader(io.StringIO(files(found, GRADING, "Attention", None, comments)["moodle.csv"]))]
    assert {row["Identifier"]: row["Feedback comments"] for row in alone} == {
        "Participant 9": comments["Ada_Lovelace_9"],
        "Participant 10": comments["Charles_10"],
    }


def test_what_is_blank_is_no_zero_in_a_comment(book):
    """What could not be read, or is not graded yet, has no points and no total there."""
    book.arrived(
        [Submission("Ada_Lovelace_9", "Ada Lovelace"), Submission("emmy", "Emmy", trouble="work.zip is damaged")]
    )
    book.record(made_up.record("Charles_10", unread(COURSE[33], Piece(33, "33.py", trouble="33.py is damaged")), b"?"))
    found = marks(book, GRADING, {}, {("Ada_Lovelace_9", 33)})
    told = {row.student.student: comment(row, GRADING, {}) for row in found}
    assert "– of 100 points" in told["Charles_10"] and "– of 1; could not be read" in told["Charles_10"]
    assert "– of 100 points" in told["emmy"] and told["emmy"].count("– of 1, could not be read") == 2
    assert "– of 100 points" in told["Ada_Lovelace_9"] and "– of 1, not graded yet" in told["Ada_Lovelace_9"]
    assert "could not be read: 33.py is damaged" in told["Charles_10"] and "<p>work.zip is damaged.</p>" in told["emmy"]
    assert not any("0 of 1<" in text or "0 of 1," in text for text in told.values() if "– of 100" in text)


def test_moodle_says_what_could_not_be_read(book):
    """Who could not be read has no grade in Moodle's file, with a worksheet and without, and the sentence in its column
    of feedback; who handed in nothing keeps what was there."""
    book.arrived(
        [
            Submission("Ada_Lovelace_9", "Ada Lovelace", {"moodle_id": "9"}),
            Submission("Grace_11", "Grace Hopper", {"moodle_id": "11"}, trouble="work.zip is damaged"),
            Submission("Emmy_12", "Emmy Noether", {"moodle_id": "12"}, trouble=EMPTY_HANDED),
        ]
    )
    book.record(made_up.record("Charles_10", unread(COURSE[33], Piece(33, "33.py", trouble="33.py is a PDF")), b"?"))
    found = marks(book, GRADING, {})
    comments = {row.student.student: comment(row, GRADING, {}) for row in found}
    sheet = WORKSHEET.replace("Well said in the seminar.", "")
    for roster in (None, parsed(sheet.encode(), "m.csv").matched(book.students())):
        told = [*csv.DictReader(io.StringIO(files(found, GRADING, "Attention", roster, comments)["moodle.csv"]))]
        by_name = {row["Full name"]: (row["Grade"], row["Feedback comments"]) for row in told}
        assert by_name["Ada Lovelace"][0] == "13" and by_name["Charles Babbage"][0] == "" == by_name["Grace Hopper"][0]
        assert "could not be read: 33.py is a PDF" in by_name["Charles Babbage"][1]
        assert "work.zip is damaged." in by_name["Grace Hopper"][1] and "Emmy Noether" not in by_name


def test_a_hostile_name_in_a_comment(book):
    """A reason with markup in it is text in Moodle."""
    book.override("Ada_Lovelace_9", 31, 1, "<script>alert(1)</script>", "Dr. K", 1)
    row = next(row for row in marks(book, GRADING, {}) if row.student.student == "Ada_Lovelace_9")
    assert "<script" not in comment(row, GRADING, made_up.TITLES) and "points by hand: &lt;script&gt;" in comment(
        row, GRADING, made_up.TITLES
    )


# Groups


def test_a_group_is_one_grade_for_several_students(book, tmp_path):
    """Each member has the grade, a row and a page by name; the roster finds them, and nobody of them is missing."""
    grading = Grading({31: 1.0}, groups={"team_1": ("Linus Pauling", "noether@example.org")})
    roster = parsed(
        b"Student,ID,SIS User ID,SIS Login ID,Section,Attention (8)\n    Points Possible,,,,,100\n"
        b'"Pauling, Linus",51,,linus,,\n"Noether, Emmy",52,,noether@example.org,,\n"Hopper, Grace",43,,grace,,\n',
        "r.csv",
    )
    people = groups.spread(
        [Submission("team_1"), Submission("hoppergrace_43", "hoppergrace", {"canvas_id": "43"})], grading.groups
    )
    matched = roster.matched(people)
    assert matched.missing == () == matched.unknown
    found = group_marks.shared(marks(book, grading, {}, on_roster=matched.rows), grading.groups, matched.rows)
    assert {
        row.student.name: row.total
        for row in found
        if "Ada" not in row.student.name and "Charles" not in row.student.name
    } == {"Linus Pauling": 100, "Emmy Noether": 100, "Grace Hopper": 100}
    assert [row[-1] for row in csv.reader(io.StringIO(files(found, grading, "Attention", matched)["canvas.csv"]))] == [
        "Attention (8)",
        "100",
        "100",
        "100",
        "100",
    ]
    assert write_feedback(tmp_path / "feedback", found, grading, made_up.TITLES) == 10
    assert "Feedback for <bdi>Emmy Noether" in (tmp_path / "feedback/noether@example.org.html").read_text()


def test_what_is_odd_about_a_group_is_told(book):
    """A group of which nothing arrived, a member of two, and one who handed in alone too, whose own work counts."""
    mine = {"team_1": ("Charles_10", "linus"), "team_2": ("linus",)}
    rows = marks(book, Grading({31: 1.0}, groups=mine), {})
    assert [*group_marks.unmet(rows, mine)] == [
        "Charles_10 is in the group team_1 and handed in alone as well: what was handed in alone counts",
        "grading.toml has a group team_2, and nothing arrived that is called so, or from one member alone",
        "linus is in two groups of grading.toml: take one away",
    ]
    assert sorted(row.student.student for row in group_marks.shared(rows, mine, {})) == [
        "Ada_Lovelace_9",
        "Charles_10",
        "hoppergrace_43",
        "linus",
    ]


def test_a_member_hands_in_for_all(book):
    """Where nothing is called as the group, the work of the only member who handed in is everybody's, in a Moodle that
    knows no groups; he stays who he is."""
    mine = {"team_7": ("charles_10", "linus", "emmy@example.org")}
    rows = marks(book, Grading({31: 1.0}, groups=mine), {})
    assert [*group_marks.unmet(rows, mine)] == []
    found = {row.student.student: row.total for row in group_marks.shared(rows, mine, {})}
    assert found["linus"] == found["emmy@example.org"] == found["Charles_10"] and len(found) == len(rows) + 2
    people = groups.spread([row.student for row in rows], mine)
    assert {"linus", "emmy@example.org", "Charles_10"} <= {one.student for one in people}


def test_who_is_alone_is_known_by_every_name(book):
    """A member who handed in alone has one grade, whichever name the group calls him by."""
    mine = {"team_1": ("Ada Lovelace", "linus")}
    rows = marks(book, Grading({31: 1.0}, groups=mine), {})
    assert "Ada Lovelace is in the group team_1 and handed in alone as well: what was handed in alone counts" in [
        *group_marks.unmet(rows, mine)
    ]
    assert [row.student.student for row in group_marks.shared(rows, mine, {}) if "Ada" in row.student.name] == [
        "Ada_Lovelace_9"
    ]


def test_an_extension_of_a_member_is_the_groups(book):
    """Whoever of a group has more time gives it to what they hand in together."""
    book.note(
        {Wanted(grade.student, grade.problem, grade.digest): Came(BY_CANVAS, late=True) for grade in book.grades()}
    )
    grading = Grading(
        {31: 1.0}, late=Policy(per_day=0.1, extensions={"linus": 1}), groups={"team_1": ("linus", "emmy")}
    )
    assert {row.student.student: row.total for row in marks(book, grading, {})}["team_1"] == 100
    assert {row.student.student: row.total for row in marks(book, Grading({31: 1.0}, late=grading.late), {})}[
        "team_1"
    ] == 90


@pytest.mark.parametrize(
    "line, told",
    [
        ("groups = 3", "has groups that are no table"),
        ("groups = { a = 'ada' }", "gives the group a no list of names"),
        ("groups = { a = [] }", "gives the group a no list of names"),
        ("groups = { a = [1] }", "gives the group a no list of names"),
    ],
)
def test_groups_that_make_no_sense(tmp_path, line, told):
    """Are told in a sentence."""
    (tmp_path / "grading.toml").write_text(f"{line}\n[weights]\n31 = 1\n")
    with pytest.raises(UsageError, match=told):
        read_grading(tmp_path / "grading.toml", made_up.PROBLEMS, made_up.PROBLEMS)


def test_a_name_that_lost_its_letters_is_not_taken(book):
    """Excel writes `?` for what cp1252 lacks: then the download's own name stands, on pages and in grades.csv."""
    people = [one for one in book.students() if one.student == "Ada_Lovelace_9"]
    for listed, called, told in (
        ("Ada L?velace", people[0].name, people[0].name),
        ("Lovelace, Augusta Ada", "Augusta Ada Lovelace", "Lovelace, Augusta Ada"),
    ):
        roster = parsed(f'Identifier,Full name,Grade\nParticipant 9,"{listed}",\n'.encode(), "r.csv")
        matched = roster.matched(people)
        rows = marks(book, Grading({31: 1.0}), {}, on_roster=matched.rows)
        assert next(row.student.name for row in rows if row.student.student == "Ada_Lovelace_9") == called
        (line,) = [
            one
            for one in csv.reader(io.StringIO(grades_csv(rows, Grading({31: 1.0}), matched)))
            if "Ada_Lovelace_9" in one
        ]
        assert line[1] == told


def test_who_wrote_into_the_channel_is_flagged():
    """An instructor learns of it from every file, not from the student's page alone."""
    mark = Mark(31, 1.0, trouble=f"while it was called, {ENDED['forged'][0]}")
    assert "wrote into the grader's channel" in mark.flags and "wrote into" not in str(Mark(31, 1.0).flags)
