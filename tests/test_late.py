"""Late work: when something came by Canvas's mark, Moodle's worksheet or Git's commits, what it costs by the policy,
and that every output says so."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from html import unescape
from pathlib import Path

import pytest

from grader.classroom.arrivals.arrivals import arrivals
from grader.classroom.arrivals.commits import Commits
from grader.classroom.book.entries import Wanted
from grader.classroom.book.exports import grades_csv
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.late import CANVAS, GIT, MOODLE, Came, Policy, lateness, of_moodle
from grader.classroom.book.marks import marks
from grader.classroom.book.roster_file import parsed
from grader.classroom.book.rules import Grading, read_grading
from grader.classroom.orders import Tally
from grader.classroom.pages import machine
from grader.classroom.pages.feedback import pages
from grader.classroom.pages.overview import report
from grader.classroom.results import _unmet
from grader.classroom.run import _note
from grader.course.select import UsageError
from tests import made_up
from tests.conftest import PROBLEMS
from tests.schema import validate

pytestmark = pytest.mark.thorough

DUE = datetime(2025, 3, 1, 23, 59, tzinfo=timezone(timedelta(hours=1)))
POLICY = Policy(DUE, timedelta(minutes=30), 0.1, 0.5, {"Ada": 3}, {"bela": 2})
RULE = "Each day begun costs 10 % of the points"


def after(**span) -> Came:
    return Came(GIT, DUE + timedelta(**span))


@pytest.mark.parametrize(
    "came, called, days, cost, told",
    [
        (None, "cy", None, 0, ""),
        (after(minutes=-1), "cy", None, 0, ""),
        (after(), "cy", None, 0, ""),
        (Came(CANVAS), "cy", None, 0, ""),
        (
            after(minutes=20),
            "cy",
            0,
            0,
            "late by 20 minutes: it came 2025-03-02 00:19, by Git's commits, and was due 2025-03-01 23:59. "
            "That is within the time of grace: nothing is taken off",
        ),
        (after(minutes=31), "cy", 1, 0.1, RULE),
        (after(days=1), "cy", 1, 0.1, RULE),
        (after(days=1, minutes=1), "cy", 2, 0.2, "late by 1 day and 1 minute"),
        (after(days=9), "cy", 9, 0.5, f"{RULE}, 50 % at most"),
        (after(days=2, hours=5), "ada", 0, 0, "There was an extension of 3 days: nothing is taken off"),
        (
            after(days=4, hours=5),
            "ada",
            2,
            0.2,
            "With an extension of 3 days, that is 1 day and 5 hours. It counts as 2 days.",
        ),
        (
            Came(CANVAS, late=True),
            "cy",
            1,
            0.1,
            f"late, as Canvas says, but not by how much. It counts as 1 day. {RULE}",
        ),
        (Came(CANVAS, late=True), "ada", 0, 0, "extension of 3 days"),
        (Came(CANVAS, late=True), "bela", 2, 0.2, "late by 2 days, as whoever runs the course says"),
        (Came(MOODLE, None, True, timedelta(hours=30)), "cy", 2, 0.2, "late by 1 day and 6 hours, as Moodle says"),
        (
            Came(MOODLE, datetime(2025, 3, 3, 10)),
            "cy",
            2,
            0.2,
            "late by 1 day and 10 hours: it came 2025-03-03 10:00, by Moodle",
        ),
    ],
)
def test_what_late_work_costs(came, called, days, cost, told):
    """Days that were begun count; grace and extensions are told where they decide; what nobody knows is not made up."""
    found = lateness(POLICY, came, {called})
    if days is None:
        assert found is None
    else:
        assert (found.days, found.cost) == (days, pytest.approx(cost)) and told in found.told


def test_without_a_policy_late_is_told_and_costs_nothing():
    """A mark that something is late is never lost, and takes nothing off by itself."""
    found = lateness(Policy(), Came(CANVAS, late=True), {"cy"})
    assert (found.cost, found.flag, found.told) == (0, "late", "late, as Canvas says, but not by how much")
    assert lateness(Policy(), Came(GIT, DUE), {"cy"}) is None


@pytest.mark.parametrize(
    "status, date, at, late, by",
    [
        ("Submitted for grading - ", "Wednesday, 5 March 2025, 10:05 AM", datetime(2025, 3, 5, 10, 5), False, None),
        (
            "Submitted for grading - 2 days 3 hours late",
            "Monday, 3 March 2025, 2:00 PM",
            datetime(2025, 3, 3, 14),
            True,
            timedelta(days=2, hours=3),
        ),
        (
            "Submitted for grading - Graded - 45 secs late - Extension granted until: Monday",
            "-",
            None,
            True,
            timedelta(seconds=45),
        ),
        ("No submission", "-", None, None, None),
        ("", "", None, None, None),
        ("Assignment is overdue by: 3 days", "-", None, None, None),
    ],
)
def test_what_moodles_worksheet_says(status, date, at, late, by):
    """The status and the date of a row; who is overdue has handed in nothing, and is not late with it."""
    found = of_moodle(status, date)
    assert found is None if late is None else (found.source, found.at, found.late, found.by) == (MOODLE, at, late, by)
    header = "Identifier,Full name,Status,Grade,Last modified (submission),Last modified (grade)\n"
    (row,) = parsed(f'{header}Participant 9,Ada Lovelace,{status},,"{date}",-\n'.encode(), "m.csv").rows
    assert row.came == found


def test_what_came_is_kept():
    """It comes back from the gradebook's text as it was."""
    for came in (
        Came(CANVAS, late=True),
        after(days=1),
        Came(MOODLE, datetime(2025, 3, 3), True, timedelta(seconds=45)),
    ):
        assert Came.unpacked(came.packed()) == came


# grading.toml

SAID = """[late]
due = 2025-03-01T23:59:00+01:00
grace = 30
per_day = 10
most = 50
[late.extensions]
Ada = 3
[late.days]
bela = 2
"""


def test_the_policy_stands_in_grading_toml(tmp_path):
    """What is written there is what holds; the file that the first run writes explains it and takes nothing off."""
    path = tmp_path / "grading.toml"
    assert read_grading(path, made_up.PROBLEMS, made_up.PROBLEMS).late == Policy()
    text = path.read_text()
    inside = [line.removeprefix("# ") for line in text.partition("# [late]")[2].partition("\n\n")[0].splitlines()]
    path.write_text(f"{text}\n[late]{chr(10).join(inside)}\n")
    assert read_grading(path, made_up.PROBLEMS, made_up.PROBLEMS).late == Policy(
        DUE, timedelta(minutes=30), 0.1, 0.5, {"ada": 3, "Dr. Bela O'Neil": 2, "chidi@example.org": 1.5}, {"bela": 2}
    )
    path.write_text(SAID + "[weights]\n31 = 1\n")
    assert read_grading(path, made_up.PROBLEMS, made_up.PROBLEMS).late == POLICY
    assert read_grading(path, made_up.PROBLEMS, made_up.PROBLEMS).weights == {31: 1, 33: 1, 39: 1}


@pytest.mark.parametrize(
    "line, told",
    [
        ("due = '1 March'", "has a `due` that is no date"),
        ("grace = -1", "has a `grace` below [late] that is no number from 0 up"),
        ("per_day = 120", "has a `per_day` below [late] that is no number from 0 to 100"),
        ("most = true", "has a `most`"),
        ("penalty = 3", "says `penalty` below [late]"),
        ("extensions = 3", "has late.extensions that is no table"),
        ("days = { ada = 'two' }", "has [late.days] that gives ada something else than a number of days"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path, line, told):
    """A slip in the policy is a sentence, and nobody's points."""
    (tmp_path / "grading.toml").write_text(f"[weights]\n31 = 1\n[late]\n{line}\n")
    with pytest.raises(UsageError) as error:
        read_grading(tmp_path / "grading.toml", made_up.PROBLEMS, made_up.PROBLEMS)
    assert told in str(error.value)


# Where it is told


def test_every_output_tells_of_late_work(tmp_path):
    """Points, flags, JSON, both pages and the report say how late it is, from where that is known, and what it costs;
    points by hand stay as they are."""
    grading = Grading({31: 2.0, 33: 1.0}, late=POLICY)
    with Gradebook(tmp_path / NAME) as book:
        for student in ("cy", "dee"):
            book.record(made_up.record(student, made_up.passed(31), student.encode()))
        book.record(made_up.record("cy", made_up.wrong(33), b"33"))
        book.override("dee", 31, 2, "It was ill.", "Dr. K", 2)
        book.note(
            {Wanted(grade.student, grade.problem, grade.digest): after(days=1, hours=1) for grade in book.grades()}
        )
        found = marks(book, grading, made_up.PROPERTIES)
        cy, dee = found
        (_, html), (_, text) = pages(cy, grading, made_up.TITLES)
        told = machine.class_report(found, grading, report(found, made_up.TITLES), Tally())
        looked = dict(report(found, made_up.TITLES).look)
    assert (cy.by_problem[31].points, cy.by_problem[33].points, dee.by_problem[31].points) == (
        pytest.approx(1.6),
        pytest.approx(0.17 * 0.8),
        2,
    )
    rows = [*csv.reader(io.StringIO(grades_csv(found, grading).removeprefix("\ufeff")))]
    assert rows[1][2:] == ["1.6", "0.136", "57.87", "31: late by 2 days (-20 %); 33: late by 2 days (-20 %)"]
    sentence = "It counts as 2 days. Each day begun costs 10 % of the points. 2 × 0.8 = 1.6 of 2 points."
    assert (
        sentence in html
        and sentence in text
        and "came 2025-03-03 00:59, by Git's commits; graded 2025-03-01" in unescape(html)
    )
    validate(told, json.loads(Path(machine.__file__).with_name("class.schema.json").read_text()))
    first = told["students"][0]["problems"][0]
    assert first["came"] == dict(source=GIT, at="2025-03-03T00:59:00+01:00", late=False) and (
        first["late"]["days"],
        first["late"]["cost"],
    ) == (2, 0.2)
    assert [line.partition(":")[0] for line in looked["late"]] == ["cy, 31, 33", "dee, 31"]


def test_the_same_again_is_no_later(tmp_path):
    """What was known of a content first stays: to hand in the same once more after the deadline costs nothing."""
    one = Wanted("ada", 31, "d")
    with Gradebook(tmp_path / NAME) as book:
        book.note({one: Came(CANVAS)})
        book.note({one: Came(CANVAS, late=True)})
        assert book.came() == {one: Came(CANVAS)}
    with Gradebook(tmp_path / NAME, write=False) as book:
        assert book.came() == {one: Came(CANVAS)}


def test_extensions_find_their_students(tmp_path):
    """By key, name, login or number, of the download or the roster; a name that is nobody's is told."""
    roster = parsed(b'Student,ID,SIS User ID,SIS Login ID,Section\n"Lovelace, Ada",41,s41,ada@example.org,\n', "r.csv")
    with Gradebook(tmp_path / NAME) as book:
        book.record(made_up.record("lovelaceada_41", made_up.passed(31)))
        book.note({Wanted(grade.student, grade.problem, grade.digest): after(days=1) for grade in book.grades()})
        for name in ("lovelaceada_41", "Ada Lovelace", "Lovelace, Ada", "41", "S41", "ada@example.org", "ada"):
            grading = Grading({31: 1.0}, late=Policy(DUE, per_day=0.1, extensions={name: 2}))
            rows = {"lovelaceada_41": roster.rows[0]}
            (row,) = marks(book, grading, {}, on_roster=rows)
            assert (
                row.student.name == "Ada Lovelace"
                and row.total == 100
                and row.by_problem[31].late.days == 0
                and [*_unmet(grading, [row], rows)] == []
            )
        grading = Grading({31: 1.0}, late=Policy(extensions={"adda": 2}))
        assert "speaks of adda below [late], and nobody" in [*_unmet(grading, [row], rows)][0]


# Git


def commit(clone, name: str, text: str, when: str) -> None:
    clone.mkdir(exist_ok=True)
    (clone / name).parent.mkdir(parents=True, exist_ok=True)
    (clone / name).write_text(text)
    environment = dict(
        os.environ,
        GIT_COMMITTER_DATE=when,
        GIT_AUTHOR_DATE="2020-01-01T00:00:00+00:00",
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_CONFIG_NOSYSTEM="1",
    )
    who = ("-c", "user.name=Ada", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *who, *words], cwd=clone, check=True, env=environment)


@pytest.fixture
def clone(tmp_path):
    if not shutil.which("git"):
        pytest.skip("there is no Git here")
    clone = tmp_path / "class" / "hw-ada"
    clone.parent.mkdir()
    commit(clone, "31.py", "def sdpa(q, k, v): ...\n", "2025-03-01T10:00:00+01:00")
    commit(clone, "33.py", "def causal_mask(n): ...\n", "2025-03-03T10:00:00+01:00")
    return clone


def test_each_file_has_the_date_of_its_last_commit(clone):
    """A later commit to another problem makes no file later; what was never committed has no date; packed objects and
    names are read too."""
    with Commits() as commits:
        expected = [datetime.fromisoformat(f"2025-03-0{day}T10:00:00+01:00") for day in (1, 3)]
        assert [commits.when(clone, name) for name in ("31.py", "33.py")] == expected
        assert commits.when(clone, "other.py") is None and commits.when(clone.parent, "31.py") is None
        subprocess.run(["git", "gc", "-q"], cwd=clone, check=True)
        assert [commits.when(clone, name) for name in ("31.py", "33.py")] == expected and not [
            *(clone / ".git/refs/heads").iterdir()
        ]


def test_nothing_of_a_clone_is_run(clone, tmp_path):
    """Its settings, hooks and signatures start no program, and what is no repository is no fault."""
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    spy.chmod(0o755)
    with (clone / ".git/config").open("a") as settings:
        settings.write(
            f"[log]\n showSignature = true\n[gpg]\n program = {spy}\n[core]\n fsmonitor = {spy}\n pager = {spy}\n "
            f"sshCommand = {spy}\n"
            f'[extensions]\n partialClone = origin\n[remote "origin"]\n url = ext::{spy}\n promisor = true\n'
        )
    objects = [path for path in (clone / ".git/objects").rglob("*") if path.is_file()]
    with Commits() as commits:
        assert commits.when(clone, "31.py")
        for path in objects:
            path.chmod(0o600)
            path.write_bytes(b"torn")
        assert commits.when(clone, "31.py") is None
        (clone / ".git/HEAD").write_text("ref: refs/../../../etc/passwd\n")
        assert commits.when(clone, "31.py") is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "pack, collected", [(pack, collected) for pack in ("zip", "gztar") for collected in (False, True)]
)
def test_a_packed_clone_has_its_dates(clone, tmp_path, pack, collected):
    """Packed as a class, each file has the date that it has unpacked; nothing but objects and their names reaches the
    disk, and nothing of it stays there."""
    if collected:
        subprocess.run(["git", "gc", "-q"], cwd=clone, check=True)
    (clone / ".git/objects/info").mkdir(exist_ok=True)
    (clone / ".git/objects/info/alternates").write_text("/somewhere/else\n")
    commit(clone.parent / "hw-bela", "31.py", "def sdpa(q, k, v): return q\n", "2025-03-02T10:00:00+01:00")
    packed = Path(shutil.make_archive(str(tmp_path / "hw-submissions"), pack, clone.parent))
    problems = [*PROBLEMS.values()]
    with Gradebook(tmp_path / NAME) as book:
        _note(arrivals(packed, problems), book, packed, problems, Tally())
        came = {
            (wanted.student, wanted.problem): (told.source, told.at.isoformat()) for wanted, told in book.came().items()
        }
    assert came == {
        ("hw-ada", 31): (GIT, "2025-03-01T10:00:00+01:00"),
        ("hw-ada", 33): (GIT, "2025-03-03T10:00:00+01:00"),
        ("hw-bela", 31): (GIT, "2025-03-02T10:00:00+01:00"),
    }
    with Commits() as commits:
        handed_in = arrivals(packed, problems)
        history = next(one.history for one in handed_in if one.student == "hw-ada")
        assert {file.parts[0] for file in history} >= {"HEAD", "config", "hooks", "objects"} and commits.when(
            history, "31.py"
        )
        store = commits._store(history)
        assert {path.name for path in store.iterdir()} <= {"HEAD", "packed-refs", "refs", "objects"} and not (
            store / "objects/info"
        ).exists()
    assert not store.parent.exists()


def test_a_run_notes_when_things_came(clone, tmp_path):
    """Clones by their commits, Canvas's files by its mark; another entry has no date of which anybody could be sure."""
    folder = clone.parent
    (folder / "bela_LATE_7_800_31.py").write_text("def sdpa(q, k, v): return q\n")
    (folder / "cy_8_801_31.py").write_text("def sdpa(q, k, v): return k\n")
    (folder / "dee").mkdir()
    (folder / "dee/31.py").write_text("def sdpa(q, k, v): return v\n")
    problems = [*PROBLEMS.values()]
    with Gradebook(tmp_path / NAME) as book:
        _note(arrivals(folder, problems), book, folder, problems, Tally())
        came = {(wanted.student, wanted.problem): told for wanted, told in book.came().items()}
    assert {who: (told.source, told.late) for who, told in came.items()} == {
        ("bela_7", 31): (CANVAS, True),
        ("cy_8", 31): (CANVAS, False),
        ("hw-ada", 31): (GIT, False),
        ("hw-ada", 33): (GIT, False),
    }
    assert came["hw-ada", 33].at.isoformat() == "2025-03-03T10:00:00+01:00"
