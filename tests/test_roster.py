"""The roster: read from Canvas's, Moodle's and GitHub Classroom's own exports, matched without a guess, and written
back so that the system takes it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.classroom.arrivals.submission import Submission
from grader.classroom.book.roster import Roster
from grader.classroom.book.roster_file import parsed, read_roster
from grader.course.select import UsageError

CANVAS = '''\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Quiz (7),Attention (1234),Assignments Current Score
,,,,,,Manual Posting,
    Points Possible,,,,,5,10,(read only)
"Lovelace, Ada",12345,s001,ada@uni.edu,CS 1,4,,80
"Gödel, Kurt",12346,s002,kurt,CS 1,EX,N/A,0
"=""=2+2""",12347,s003,eve,CS 1,,3,0
"-Dash, Dot",12348,s004,dot,"CS 1, CS 2",,,
"Student, Test",99999,,a1b2c3,CS 1,,,
'''
WORKSHEET = """Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments
Participant 1234567,Ada Lovelace,ada@uni.edu,Submitted for grading,,10.00,Yes,"Monday, 1 June 2026, 9:00 AM",-,=kept
Participant 7,@Alan Turing,alan@uni.edu,No submission,3.00,10.00,Yes,-,-,
"""  # noqa: E501
PARTICIPANTS = """First name,Last name,"ID number","Email address",Groups
Ada,Lovelace,s001,ada@uni.edu,
Kurt,Gödel,s002,kurt@uni.edu,A
"""
GITHUB = """"identifier","github_username","github_id","name"
"ada@uni.edu","ada-gh","11","Ada Lovelace"
"kurt","","",""
"s003","gh","12","Emmy Noether"
"""


def canvas(**kept) -> Roster:
    return parsed(CANVAS.encode(), "grades.csv")


def handed_in(student, name="", **ids):
    return Submission(student, name or student, ids)


def cells(text: str, delimiter=",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter))


@pytest.mark.parametrize(
    "text, system, names",
    [
        (CANVAS, "canvas", ["Lovelace, Ada", "Gödel, Kurt", "=2+2", "-Dash, Dot"]),
        (
            "LastName,FirstName,ID,SIS Login ID,Section,HW (1)\n    Points Possible,,,,,5\nLovelace,Ada,1,ada,A,\n",
            "canvas",
            ["Lovelace, Ada"],
        ),
        (WORKSHEET, "moodle", ["Ada Lovelace", "@Alan Turing"]),
        (WORKSHEET.replace("Maximum grade", "Maximum Grade"), "moodle", ["Ada Lovelace", "@Alan Turing"]),
        (PARTICIPANTS, "moodle", ["Ada Lovelace", "Kurt Gödel"]),
        (PARTICIPANTS.replace("Last name", "Surname"), "moodle", ["Ada Lovelace", "Kurt Gödel"]),
        (GITHUB, "github", ["Ada Lovelace", "kurt", "Emmy Noether"]),
    ],
)
def test_told_by_its_columns(text, system, names):
    """Each export is known by its columns; rows that are no students, such as points and Canvas's test student, are
    none."""
    roster = parsed(text.encode(), "roster.csv")
    assert (roster.system, [row.name for row in roster.rows]) == (system, names)


def test_ids():
    """What an export says to tell students apart."""
    assert canvas().rows[0].ids == {
        "canvas_id": "12345",
        "sis_id": "s001",
        "login": "ada@uni.edu",
        "email": "ada@uni.edu",
    }
    assert parsed(WORKSHEET.encode(), "").rows[0].ids == {"moodle_id": "1234567", "email": "ada@uni.edu"}
    assert parsed(GITHUB.encode(), "").rows[0].ids == {
        "github": "ada-gh",
        "github_id": "11",
        "identifier": "ada@uni.edu",
        "email": "ada@uni.edu",
    }


EXPECTED = (
    "Canvas's gradebook has Student, ID and Section, Moodle's grading worksheet Identifier and Grade, Moodle's list "
    "of participants First name and Last name, "
    "GitHub Classroom's roster identifier and github_username"
)


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", f"roster.csv is no roster that is known (it is empty): {EXPECTED}"),
        (b"name;mark\nada;1\n", f"roster.csv is no roster that is known (its columns are name, mark): {EXPECTED}"),
        (b"Pr\xe9nom,Nom\n", f"roster.csv is no roster that is known (its columns are Prénom, Nom): {EXPECTED}"),
        (
            b"PK\x03\x04\xff",
            "roster.csv is a workbook and no CSV: take the export as it came from the system, or save it as `CSV "
            "UTF-8`",
        ),
        (b"\x81ID\n", "roster.csv is no text: take the export as it came from the system, or save it as `CSV UTF-8`"),
        (b"\0\xe9ID\n", "roster.csv is no text: take the export as it came from the system, or save it as `CSV UTF-8`"),
        (b'Student,ID,Section\n"a"b,1,2\n', "roster.csv is no CSV: ',' expected after '\"'"),
        (
            b"Student,ID,Section\nada,1,2,3\n",
            "roster.csv: a row has more cells than the 3 columns; take the export as it came from the system",
        ),
        (b"Student,ID,Section\n    Points Possible,,\n", "roster.csv has no student on it"),
    ],
)
def test_what_is_no_roster(tmp_path, content, sentence):
    """Anything else is told with the columns that were expected."""
    path = tmp_path / "roster.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError) as told:
        read_roster(path)
    assert str(told.value) == sentence


def test_no_roster_there(tmp_path):
    """So is a path that leads nowhere."""
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        read_roster(tmp_path / "roster.csv")


# Whose is whose.


@pytest.mark.parametrize(
    "submission",
    [
        handed_in("x", canvas_id="12346"),
        handed_in("s002"),
        handed_in("KURT"),
        handed_in("kurt-gödel"),
        handed_in("Godel_Kurt"),
        handed_in("godelkurt"),
        handed_in("x", "Kurt GÖDEL"),
        handed_in("kurt_go\u0308del"),
    ],
)
def test_matched(submission):
    """By the system's id, by login or user name, by the name in any order, case and spelling of accents."""
    matched = canvas().matched([submission])
    assert {student: row.name for student, row in matched.rows.items()} == {submission.student: "Gödel, Kurt"}
    assert (
        [row.name for row in matched.missing] == ["Lovelace, Ada", "=2+2", "-Dash, Dot"]
        and not matched.unknown
        and not matched.ambiguous
    )


def test_an_email_and_its_user():
    """An address is matched whole or by what stands before the `@`."""
    matched = canvas().matched([handed_in("ada")])
    assert matched.rows["ada"].ids["canvas_id"] == "12345" and canvas().matched([handed_in("ADA@uni.edu")]).rows


def test_an_id_that_is_not_on_the_roster_is_not_replaced_by_a_name():
    """Who carries an id of the system that the roster does not have is unknown, however much the name is like
    another's."""
    matched = canvas().matched([handed_in("x", "Kurt Gödel", canvas_id="5")])
    assert matched.unknown == ("x",) and not matched.rows and len(matched.missing) == 4
    assert canvas().matched([handed_in("x", "Kurt Gödel", moodle_id="5")]).rows  # another system's id says nothing


def test_a_download_beside_a_roster_without_its_numbers():
    """Moodle's list of participants does not know the numbers in the names of Moodle's download: there the name counts,
    and who is not on it stays unknown."""
    matched = parsed(PARTICIPANTS.encode(), "").matched(
        [
            handed_in("Ada_Lovelace_1234567", "Ada Lovelace", moodle_id="1234567"),
            handed_in("Eve_5", "Eve", moodle_id="5"),
        ]
    )
    assert {student: row.name for student, row in matched.rows.items()} == {
        "Ada_Lovelace_1234567": "Ada Lovelace"
    } and matched.unknown == ("Eve_5",)


def test_no_guess_between_two():
    """Two rows for one submission, or two submissions for one row, are ambiguous: nobody gets a grade by luck, and a
    sentence says who."""
    twins = parsed(b'Student,ID,Section\n"Li, Wei",1,A\n"Wei, Li",2,A\n', "")
    matched = twins.matched([handed_in("wei li"), handed_in("x", canvas_id="1")])
    assert (
        set(matched.rows) == {"x"}
        and [str(one) for one in matched.ambiguous] == ["wei li may be Li, Wei, Wei, Li: more than one on the roster"]
        and not matched.missing
    )
    matched = canvas().matched([handed_in("ada"), handed_in("ada.zip", "Ada Lovelace")])
    assert not matched.rows and [str(one) for one in matched.ambiguous] == [
        "ada, ada.zip are more than one submission of Lovelace, Ada"
    ]
    assert "Lovelace, Ada" not in [row.name for row in matched.missing]


def test_clones_are_matched_by_the_user_at_their_end():
    """A clone is the user's whom its name tells, and nobody else's, such as `gh`, with whose name it may end too."""
    roster = parsed(GITHUB.encode(), "")
    matched = roster.matched(
        [handed_in("hw-ADA", repository="hw-ADA", github="ADA"), handed_in("hw-gh", repository="hw-gh", github="gh")]
    )
    assert {student: row.name for student, row in matched.rows.items()} == {
        "hw-gh": "Emmy Noether"
    } and matched.unknown == ("hw-ADA",)
    matched = roster.matched(
        [
            handed_in("hw-ada-gh", repository="hw-ada-gh", github="ada-gh"),
            handed_in("hw-eve-gh", repository="hw-eve-gh", github="eve-gh"),
        ]
    )
    assert {student: row.name for student, row in matched.rows.items()} == {
        "hw-ada-gh": "Ada Lovelace"
    } and matched.unknown == ("hw-eve-gh",)


def test_clones_whose_assignment_is_not_told():
    """Then the assignment is what most of them begin with: `eve-gh` is not `gh`. Where that leaves two users, as with a
    single clone, none is guessed."""

    def clones(*names):
        return [handed_in(name, repository=name) for name in names]

    roster = parsed(GITHUB.encode(), "")
    matched = roster.matched(clones("hw-Ada-GH", "hw-eve-gh", "hw-bob"))
    assert {student: row.name for student, row in matched.rows.items()} == {
        "hw-Ada-GH": "Ada Lovelace"
    } and matched.unknown == ("hw-eve-gh", "hw-bob")
    assert [row.name for row in roster.matched(clones("hw-gh")).rows.values()] == ["Emmy Noether"]
    assert len(roster.matched(clones("hw-ada-gh")).ambiguous) == 1 and roster.matched(clones("attention")).unknown == (
        "attention",
    )


def test_who_is_no_longer_among_the_submissions_keeps_the_row():
    """Whoever handed in earlier is matched as if still there, save where a submission is surely the same student's:
    that one counts, and nobody has two."""
    kurt, dot = handed_in("kurt"), handed_in("dot")
    matched = canvas().matched([dot], [kurt])
    assert {student: row.name for student, row in matched.rows.items()} == {
        "dot": "-Dash, Dot",
        "kurt": "Gödel, Kurt",
    } and not matched.replaced
    assert [row.name for row in matched.missing] == ["Lovelace, Ada", "=2+2"]
    matched = canvas().matched([handed_in("x", canvas_id="12346")], [kurt, handed_in("eve"), handed_in("stranger")])
    assert {student: row.name for student, row in matched.rows.items()} == {"x": "Gödel, Kurt", "eve": "=2+2"}
    assert matched.replaced == {"kurt": ("x",)} and matched.unknown == ("stranger",) and not matched.ambiguous


def test_no_guess_between_two_of_earlier():
    """A namesake of whom one row is left is not guessed to be that one; nor is one of two who are gone."""
    twins = parsed(b'Student,ID,Section\n"Li, Wei",1,A\n"Wei, Li",2,A\n', "")
    matched = twins.matched([handed_in("x", canvas_id="1")], [handed_in("wei li")])
    assert {*matched.rows} == {"x"} and [one.students for one in matched.ambiguous] == [("wei li",)]
    matched = canvas().matched([], [handed_in("kurt"), handed_in("kurt_gödel")])
    assert not matched.rows and [str(one) for one in matched.ambiguous] == [
        "kurt, kurt_gödel are more than one submission of Gödel, Kurt"
    ]


@given(st.lists(st.text(max_size=12), max_size=8), st.lists(st.text(max_size=12), max_size=8), st.integers(0, 8))
def test_everyone_is_accounted_for(rows, names, here):
    """Whatever the names are: each submission is matched, unknown or ambiguous, each row at most once, and nobody of
    the roster is forgotten. An earlier one may be replaced."""
    made = io.StringIO(newline="")
    csv.writer(made).writerows(
        [["Student", "ID", "Section"], ["Zoe", "0", ""], *([name, str(i), ""] for i, name in enumerate(rows, start=1))]
    )
    roster = parsed(made.getvalue().encode("utf-8", "replace"), "")
    submissions = [handed_in(f"{i} {name}", name) for i, name in enumerate(names)]
    matched = roster.matched(submissions[:here], submissions[here:])
    several = {student for one in matched.ambiguous for student in one.students}
    assert {*matched.replaced} <= {one.student for one in submissions[here:]}
    assert sorted([*matched.rows, *matched.unknown, *several, *matched.replaced]) == sorted(
        one.student for one in submissions
    )
    assert len({row.at for row in matched.rows.values()}) == len(matched.rows)
    told = {
        row.at
        for row in (*matched.rows.values(), *matched.missing, *(row for one in matched.ambiguous for row in one.rows))
    }
    assert told == {row.at for row in roster.rows}


# Back to the system.


def test_back_to_canvas():
    """The students' columns and the assignment's, every row in its order, the grades of who is matched; nobody else's
    cell changes, no other assignment is touched."""
    matched = canvas().matched([handed_in("ada", canvas_id="12345"), handed_in("dot"), handed_in("stranger")])
    text = matched.filled({"ada": 7.5, "dot": 10, "stranger": 3}, "attention")
    assert (
        text.startswith("\ufeffStudent,ID,")
        and "\r\n" in text
        and cells(text)
        == [
            ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Attention (1234)"],
            ["", "", "", "", "", "Manual Posting"],
            ["    Points Possible", "", "", "", "", "10"],
            ["Lovelace, Ada", "12345", "s001", "ada@uni.edu", "CS 1", "7.5"],
            ["Gödel, Kurt", "12346", "s002", "kurt", "CS 1", "N/A"],
            ['="=2+2"', "12347", "s003", "eve", "CS 1", "3"],
            ["'-Dash, Dot", "12348", "s004", "dot", "CS 1, CS 2", "10"],
            ["Student, Test", "99999", "", "a1b2c3", "CS 1", ""],
        ]
    )
    again = parsed(text.encode(), "").matched([handed_in("ada", canvas_id="12345")])
    assert cells(again.filled({"ada": 8}, "Attention (1234)"))[3][-1] == "8"
    assert not matched.told("attention", 10)


def test_a_new_column_of_canvas():
    """An assignment that the export does not have becomes a column of its own with its points, and that is told; two of
    one name are not guessed between."""
    matched = canvas().matched([handed_in("ada")])
    told = cells(matched.filled({"ada": 1}, "Masks", maximum=20))
    assert [row[-1] for row in told] == ["Masks", "", "20", "1", "", "", "", ""] and "Quiz (7)" not in told[0]
    assert matched.told("Masks", 20) == [
        "the roster has no column 'Masks', and Canvas will ask whether it is a new assignment: name the column to "
        "fill with --assignment, "
        "such as --assignment 'Attention (1234)'; there are Quiz (7), Attention (1234)"
    ]
    assert parsed(b"Student,ID,Section\nada,1,A\n", "").matched([]).told("Masks", 20) == [
        "the roster has no column 'Masks', and Canvas will ask whether it is a new assignment"
    ]
    two = parsed(b"Student,ID,Section,HW (1),HW (2)\nada,1,A,,\n", "").matched([])
    assert two.roster.column("hw (2)") == 4
    with pytest.raises(
        UsageError, match=r"two columns of the roster are called 'HW': name one with its number, such as 'HW \(1\)'"
    ):
        two.filled({}, "HW")


def test_a_canvas_export_with_semicolons():
    """What separates the cells stays what it was."""
    text = CANVAS.replace(",", ";").replace("Lovelace; Ada", "Lovelace, Ada").encode()
    matched = parsed(text, "").matched([handed_in("ada")])
    assert cells(matched.filled({"ada": 7.5}, "Attention"), ";")[3] == [
        "Lovelace, Ada",
        "12345",
        "s001",
        "ada@uni.edu",
        "CS 1",
        "7.5",
    ]


@pytest.mark.parametrize(
    "title",
    [
        "Masks, scale, softmax, heads, cache, and all the rest (9)",
        '"Masks, scale, softmax, heads, cache, and ""all"" the rest (9)"',
    ],
)
def test_titles_with_more_commas_than_there_are_semicolons(title):
    """What separates the cells is what makes the columns of a roster, however often something else stands in a
    title."""
    text = f'Student;ID;Section;{title}\n"Lovelace, Ada";1;A;\n'
    roster = parsed(text.encode(), "roster.csv")
    assert (roster.delimiter, [row.name for row in roster.rows]) == (";", ["Lovelace, Ada"])
    with pytest.raises(UsageError, match="roster.csv is no CSV: ';' expected after '\"'"):
        parsed(text.encode() + b'"a"b;2;A;\n', "roster.csv")


def test_back_to_moodle():
    """The whole worksheet with Grade filled: Moodle's import needs Identifier, Grade and the date, and reads the
    comments, so these are as they came; names are made harmless."""
    matched = parsed(WORKSHEET.encode(), "").matched(
        [handed_in("Ada_1234567", "", moodle_id="1234567"), handed_in("b", moodle_id="7")]
    )
    told = cells(matched.filled({"Ada_1234567": 9.33}, "whatever"))
    before = cells(WORKSHEET)
    assert told[0] == before[0] and told[1][4] == "9.33" and told[1][:4] + told[1][5:] == before[1][:4] + before[1][5:]
    assert told[2] == [before[2][0], "'@Alan Turing", *before[2][2:]]


OTHER = (
    "{}.csv is not written: {} counts this assignment out of 10 points, and the totals here are out of 100: --scale "
    "writes them out of 10, "
    "`maximum = 10` in grading.toml changes them everywhere, or give it 100 points in {}"
)
SCALED = "{}.csv is out of 10 points, as {} counts this assignment; in all other files the totals are out of 100"
NONE = (
    "{}.csv is not written: {} counts this assignment without points, and the totals here are out of {}: give it "
    "{} points in {}"
)


@pytest.mark.parametrize(
    "export, maximum, told, scaled",
    [
        (CANVAS, 10, [], []),
        (CANVAS.replace("5,10,", '5,"7,5",'), 7.5, [], []),
        (CANVAS.replace("5,10,", "5,(read only),"), 100, [], []),
        (WORKSHEET, 10, [], []),
        (PARTICIPANTS, 100, [], []),
        (GITHUB, 100, [], []),
        (CANVAS, 100, [OTHER.format("canvas", "Canvas", "Canvas")], [SCALED.format("canvas", "Canvas")]),
        (WORKSHEET, 100, [OTHER.format("moodle", "Moodle", "Moodle")], [SCALED.format("moodle", "Moodle")]),
        (
            CANVAS.replace("5,10,", "5,0,"),
            20,
            [NONE.format("canvas", "Canvas", 20, 20, "Canvas")],
            [NONE.format("canvas", "Canvas", 20, 20, "Canvas")],
        ),
        (
            WORKSHEET.replace("10.00", "-2.00"),
            100,
            [NONE.format("moodle", "Moodle", 100, 100, "Moodle")],
            [NONE.format("moodle", "Moodle", 100, 100, "Moodle")],
        ),
    ],
)
def test_grades_on_another_scale(export, maximum, told, scaled):
    """Where the system counts out of another number than `maximum`, it is told what the three ways out of that are, and
    no file is written that would give other grades."""
    matched = parsed(export.encode(), "").matched([handed_in("ada"), handed_in("alan")])
    assert (matched.told("Attention", maximum), matched.told("Attention", maximum, scaled=True)) == (told, scaled)
    assert (matched.scale("Attention", maximum) == 1.0) == (not told)


@pytest.mark.parametrize("codec, named", [("cp1252", "Windows-1252"), ("utf-16", "UTF-16")])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_saved_by_excel(codec, named, delimiter):
    """Excel saves in Windows' code, or in UTF-16, with semicolons or tabs: it is read, that is told, and what goes back
    is UTF-8, with the mark by which Excel knows it."""
    made = io.StringIO(newline="")
    csv.writer(made, delimiter=delimiter).writerows(cells(CANVAS))
    roster = parsed(made.getvalue().encode(codec), "roster.csv")
    matched = roster.matched([handed_in("gödel kurt")])
    assert [row.name for row in matched.rows.values()] == ["Gödel, Kurt"] and roster.points("Attention") == 10
    assert matched.told("Attention", 10) == [
        f"roster.csv is not in UTF-8 and was read as {named}, which Excel writes: "
        "see that names with accents are right, or take the export as it came from the system"
    ]
    text = matched.filled({"gödel kurt": 5}, "Attention")
    assert text.startswith("\ufeffStudent") and cells(text, delimiter)[4] == [
        "Gödel, Kurt",
        "12346",
        "s002",
        "kurt",
        "CS 1",
        "5",
    ]


def test_lists_without_grades_get_a_column():
    """Moodle's participants and GitHub Classroom's roster get the grades in a column behind theirs."""
    matched = parsed(PARTICIPANTS.encode(), "").matched([handed_in("kurt")])
    assert cells(matched.filled({"kurt": 2}, "Attention")) == [
        ["First name", "Last name", "ID number", "Email address", "Groups", "Attention"],
        ["Ada", "Lovelace", "s001", "ada@uni.edu", "", ""],
        ["Kurt", "Gödel", "s002", "kurt@uni.edu", "A", "2"],
    ]
    matched = parsed(GITHUB.encode(), "").matched([handed_in("hw-ada", repository="hw-ada"), handed_in("kurt")])
    assert cells(matched.filled({"kurt": 2}, "Attention"))[2] == ["kurt", "", "", "", "2"]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6))
def test_nothing_runs_in_a_spreadsheet_and_nothing_is_lost(names):
    """Whatever students are called, no name that goes out begins a formula but Canvas's own harmless form, and what the
    import reads comes back the same."""
    made = io.StringIO(newline="")
    csv.writer(made).writerows(
        [
            ["Student", "ID", "Section", "HW (1)"],
            *(
                [f"x{name}" if "Points Possible" in name else name, str(i), "A", "1"]
                for i, name in enumerate(names, start=1)
            ),
        ]
    )
    roster = parsed(made.getvalue().encode("utf-8", "replace"), "")
    told = parsed(roster.matched([]).filled({}, "HW").encode(), "")
    assert [line[1:] for line in told.table] == [line[1:] for line in roster.table]
    for line in told.table:
        assert not line[0].lstrip().startswith(("=", "+", "-", "@")) or (
            line[0].startswith('="') and line[0].endswith('"')
        )
