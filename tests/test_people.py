"""Whom an instructor means: by key, login, number or name, of those who handed in and of those who are only on the
roster."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from grader.classroom.arrivals.submission import Submission
from grader.classroom.book import group_marks
from grader.classroom.book.exports import grades_csv
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.marks import marks
from grader.classroom.book.people import keep, meant, settle
from grader.classroom.book.roster_file import parsed
from grader.classroom.book.rules import Grading
from grader.classroom.results import override
from grader.course.select import UsageError
from tests import made_up

GRADING = Grading({33: 1.0})
ROSTER = """Student,ID,SIS User ID,SIS Login ID,Section
"Lovelace, Ada",41,s41,ada@example.org,One
"Gödel, Kurt",42,s42,kurt,One
"Hopper, Grace",43,s43,grace@example.org,One
"Li, Wei",44,s44,li1,One
"Wei, Li",45,s45,li2,One
"""


@pytest.fixture
def book(tmp_path):
    """A class with a roster: Ada handed in by Canvas, Kurt in a folder, `guest` is on no roster, and the others handed
    in nothing."""
    with Gradebook(tmp_path / NAME) as opened:
        keep(opened, parsed(ROSTER.encode(), "roster.csv"))
        opened.arrived(
            [
                Submission("lovelaceada_41", "lovelaceada", {"canvas_id": "41"}),
                Submission("kurt", "kurt"),
                Submission("guest", "A. Guest", {"email": "guest@example.org"}),
            ]
        )
        yield opened


@pytest.mark.parametrize(
    "text, key",
    [
        *(
            (text, "lovelaceada_41")
            for text in (
                "lovelaceada_41",
                "41",
                "s41",
                "ada",
                "ADA@example.org",
                "Ada Lovelace",
                "lovelace, ada",
                "Lovelaceada",
            )
        ),
        *((text, "kurt") for text in ("kurt", "42", "Kurt Godel")),
        *((text, "guest") for text in ("guest@example.org", "a. guest")),
        ("li1", "Wei_Li"),
        ("45", "Li_Wei"),
    ],
)
def test_by_key_login_number_or_name(book, text, key):
    """Each of them finds the student, also in other letters, without accents and with the last name first; with the
    roster's words too."""
    assert meant(book, text).student == key


@pytest.mark.parametrize(
    "text, told",
    [
        ("Wei  Li", "'Wei Li' may be Wei_Li or Li_Wei: name one of these"),
        ("", "there is no student '' in gradebook.sqlite"),
        ("Ada Lovelac", "there is no student 'Ada Lovelac' in gradebook.sqlite; did you mean lovelaceada_41?"),
        ("gest", "there is no student 'gest' in gradebook.sqlite; did you mean guest?"),
    ],
)
def test_nobody_is_guessed(book, text, told):
    """Of two with one name neither is meant, and who is nobody's name is told with what is like it."""
    with pytest.raises(UsageError) as error:
        meant(book, text)
    assert str(error.value) == told


def test_without_a_roster(tmp_path):
    """Then those who handed in can be named."""
    with Gradebook(tmp_path / NAME) as book:
        book.arrived([Submission("Ada_Lovelace_7", "Ada Lovelace", {"moodle_id": "7"})])
        assert {meant(book, text).student for text in ("7", "ada lovelace", "Ada_Lovelace_7")} == {"Ada_Lovelace_7"}


def by_hand(folder, *words) -> str:
    console = Console(file=io.StringIO(), width=200)
    assert override(folder, made_up.PROBLEMS, *words, console) == 0
    return console.file.getvalue()


def test_points_for_who_handed_in_nothing(book, tmp_path):
    """Who is only on the roster can be given points by hand, which are in grades.csv and fill the roster; and they go
    with the student who hands in later."""
    (tmp_path / "grading.toml").write_text("[weights]\n33 = 1\n")
    book.close()
    with pytest.raises(UsageError, match="50 points are more"):
        by_hand(tmp_path, "grace", 33, 50, "Bravo.")
    assert by_hand(tmp_path, "Grace Hopper", 33, 0.5, "On paper.").startswith(
        "Grace Hopper (Grace_Hopper), problem 33: 0.5 of 1 point by hand. "
    )
    with Gradebook(tmp_path / NAME) as book:
        people = [Submission("lovelaceada_41", "lovelaceada", {"canvas_id": "41"}), Submission("kurt", "kurt")]
        settle(book, people)
        found, roster = marks(book, GRADING, {}), parsed(ROSTER.encode(), "roster.csv")
        matched = roster.matched(
            people, [row.student for row in found if row.student.student not in ("kurt", "lovelaceada_41")]
        )
        assert [line for line in grades_csv(found, GRADING, matched).splitlines() if "Grace" in line][0].endswith(
            ',0.5,50,"33: points by hand, and nothing handed in"'
        )
        assert [
            line.rpartition(",")[2]
            for line in matched.filled(
                {row.student.student: row.total for row in found if not row.blank}, "HW"
            ).splitlines()[1:]
        ] == ["", "", "50", "", ""]
        assert not any(row.handed_in or row.ever for row in found if row.by_problem[33].override)
        book.arrived([Submission("grace", "grace")])
        settle(book, [*people, Submission("grace", "grace")])
        assert [given.student for given in book.overrides()] == ["grace"] and not any(
            one.student.startswith("Grace") for one in book.students()
        )


@pytest.mark.parametrize("text", ["team_1", "grace", "43", "Grace Hopper", "li1", "guest_2"])
def test_points_for_a_member_are_the_groups(book, tmp_path, text):
    """A group has one grade: points for a member, whoever names whom, are everybody's, and the answer says so; nobody
    becomes a student of their own by that."""
    book.arrived([Submission("team_1", "team_1")])
    book.close()
    (tmp_path / "grading.toml").write_text('[weights]\n33 = 1\n[groups]\nteam_1 = ["Grace Hopper", "li1", "Guest 2"]\n')
    assert by_hand(tmp_path, text, 33, 0.5, "On paper.").startswith(
        "the group team_1, that is Grace Hopper, li1, Guest 2, problem 33: 0.5 of 1 point by hand. "
    )
    mine = {"team_1": ("Grace Hopper", "li1", "Guest 2")}
    with Gradebook(tmp_path / NAME) as book:
        rows = group_marks.shared(marks(book, Grading({33: 1.0}, groups=mine), {}), mine, {})
        assert {row.student.student: row.total for row in rows if row.by_problem[33].override} == {
            "Grace_Hopper": 50,
            "li1": 50,
            "Guest_2": 50,
        }
        assert not [*group_marks.unmet(marks(book, Grading({33: 1.0}, groups=mine), {}), mine)]


def test_points_for_a_group_that_handed_in_nothing(book, tmp_path):
    """They go to the one who handed in for all, and are everybody's."""
    book.close()
    (tmp_path / "grading.toml").write_text('[weights]\n33 = 1\n[groups]\nteam_1 = ["grace", "kurt"]\n')
    assert by_hand(tmp_path, "Grace Hopper", 33, 0.5, "On paper.").startswith(
        "the group team_1, that is grace, kurt, problem 33: "
    )
    assert by_hand(tmp_path, "kurt", 33, 1, "Together.").startswith(
        "the group team_1, that is grace, kurt, problem 33: "
    )
    with Gradebook(tmp_path / NAME) as book:
        assert {given.student for given in book.overrides()} == {"kurt"}
