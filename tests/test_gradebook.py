"""The gradebook: what is recorded stays, nothing is recorded twice, and no grade changes by itself."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from grader.classroom.arrivals.submission import Piece, Submission
from grader.classroom.book.entries import Wanted, digest_of
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.marks import changes, marks
from grader.classroom.book.rules import Grading
from grader.classroom.results import override
from grader.course.select import UsageError
from grader.course.verdict import Status
from grader.report import machine
from tests import made_up

GRADING = Grading({31: 1.0, 33: 1.0})
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def book(path):
    with Gradebook(path) as opened:
        yield opened


def test_what_is_recorded_is_there_again(path):
    """A verdict, its content and what it was given under come back as they were, from a file that was closed in
    between."""
    record = made_up.record(
        "ada",
        made_up.wrong(31, "forgot_the_scale"),
        b"def sdpa(q, k, v): ...",
        waived=("network",),
        trusted=("traces",),
    )
    with Gradebook(path) as book:
        book.arrived([Submission("ada", "Ada", {"canvas_id": "7"}, notes=("late",))])
        assert book.record(record)
    with Gradebook(path) as book:
        (grade,) = book.grades()
        assert (grade.student, grade.problem, grade.digest, grade.place) == (
            "ada",
            31,
            record.wanted.digest,
            record.place,
        )
        assert (grade.status, grade.mistakes, grade.attempts) == (Status.FAILED, ("forgot_the_scale",), 1)
        assert (grade.under, grade.data) == (record.under, record.verdict)
        assert machine.data(grade.verdict) == record.verdict
        assert book.content(grade.digest) == record.content
        (student,) = book.students()
        assert (student.student, student.name, student.ids, student.notes) == (
            "ada",
            "Ada",
            {"canvas_id": "7"},
            ("late",),
        )


def test_the_secret_is_made_once(path):
    """The seed is drawn when the gradebook is begun, differs from one to the next, and is never drawn again."""
    with Gradebook(path) as book:
        secret = book.secret
    with Gradebook(path) as book:
        assert book.secret == secret > 0
    with Gradebook(path.with_name("other.sqlite")) as other:
        assert other.secret != secret


def test_only_its_owner_may_read_it(path, book):
    """It holds the seed and everyone's grades: file, log and lock are nobody else's."""
    book.record(made_up.record("ada", made_up.passed()))
    assert {file.stat().st_mode & 0o077 for file in path.parent.iterdir()} == {0}


def test_the_same_content_is_graded_once(book):
    """A second verdict on the same content is not taken, whoever brings it."""
    assert book.record(made_up.record("ada", made_up.passed()))
    assert not book.record(made_up.record("ada", made_up.wrong()))
    assert [(grade.status, grade.attempts) for grade in book.grades()] == [(Status.PASSED, 1)]


def test_what_is_missing_is_what_nobody_graded(book):
    """The same command goes on where it stopped: of what is wanted, only what has no verdict is left."""
    first, second = made_up.record("ada", made_up.passed()), made_up.record("bela", made_up.passed())
    book.record(first)
    assert book.graded(first.wanted) and not book.graded(second.wanted)
    assert book.handed_in([first.wanted, second.wanted]) == [second.wanted]


def test_the_last_content_counts(book):
    """A changed resubmission is a new attempt and counts, also where it is worse; one that goes back to an earlier
    content makes that count again."""
    first, second = made_up.record("ada", made_up.passed(), b"one"), made_up.record("ada", made_up.wrong(), b"two")
    for record in (first, second):
        book.handed_in([record.wanted])
        book.record(record)
    assert [(grade.status, grade.attempts) for grade in book.grades()] == [(Status.FAILED, 2)]
    assert book.handed_in([first.wanted]) == []
    assert [(grade.status, grade.attempts) for grade in book.grades()] == [(Status.PASSED, 2)]
    assert [grade.digest for grade in book.history("ada", 31)] == [second.wanted.digest, first.wanted.digest]


def test_what_could_not_be_read_is_known_by_its_trouble():
    """The same trouble is the same attempt; another trouble, or a content without one, is another."""
    pieces = [
        Piece(31, "a.py", b"x"),
        Piece(31, "b.py", b"x"),
        Piece(31, "a.py", b"x", "too large"),
        Piece(31, "a.py", b"x", "no text"),
    ]
    digests = [digest_of(piece) for piece in pieces]
    assert digests[0] == digests[1] and len({*digests}) == 3


def test_a_failing_block_leaves_nothing(book):
    """A verdict is written whole or not at all."""
    with pytest.raises(ZeroDivisionError), book._transaction() as run:
        run("INSERT INTO students VALUES ('ada', '', '{}', '', '[]', '{}')")
        1 / 0
    assert book.students() == []


# Who else uses the file


def test_a_second_run_is_refused(path, book):
    """While one writes another is told so, in this process or another; once it is closed the next may."""
    refused = f"another run (process {os.getpid()}) is writing to {path}; wait until it is done, or stop it"
    with pytest.raises(UsageError) as told:
        Gradebook(path)
    assert str(told.value) == refused
    code = (
        f"from pathlib import Path; from grader.classroom.book.gradebook import Gradebook\ntry: "
        f"Gradebook(Path({str(path)!r}))\nexcept Exception as error: print(error)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout.strip() == refused
    )
    book.close()
    Gradebook(path).close()


def test_the_lock_dies_with_its_process(path):
    """A run that was killed keeps nobody out, even while a process that it forked lives on."""
    code = (
        f"import os, sys, time; from pathlib import Path; from grader.classroom.book.gradebook import Gradebook\nbook "
        f"= Gradebook(Path({str(path)!r}))\n"
        "if os.fork() == 0:\n    sys.stdin.read(); os._exit(0)\nprint('ready', flush=True); time.sleep(600)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert run.stdout.readline() == b"ready\n"
        run.kill()
        run.wait()
        Gradebook(path).close()
    finally:
        run.stdin.close()
        run.stdout.close()


def test_it_is_read_while_a_run_writes(path, book):
    """A reader sees what was recorded when it looks, keeps nobody waiting, and cannot write."""
    book.record(made_up.record("ada", made_up.passed()))
    with Gradebook(path, write=False) as reader:
        assert len(reader.grades()) == 1
        with book._transaction():
            assert len(reader.grades()) == 1
        book.record(made_up.record("bela", made_up.passed()))
        assert len(reader.grades()) == 2
        with pytest.raises(UsageError, match="opened to be read"):
            reader.discard()


def test_reading_what_is_not_there(path):
    """Without a gradebook there is a sentence, and no file is made."""
    with pytest.raises(UsageError, match="there is no gradebook at .*: nothing is graded yet"):
        Gradebook(path, write=False)
    assert not path.exists()


def make_foreign(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()


def make_newer(path):
    Gradebook(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()


def make_damaged(path):
    with Gradebook(path) as book:
        for index in range(40):
            book.record(made_up.record(f"s{index}", made_up.wrong(), random.Random(index).randbytes(4000)))
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "make, told",
    [
        (
            lambda path: path.write_text("grades: all of them\n" * 100),
            "is not a gradebook of this course; name another folder for the results",
        ),
        (make_foreign, "is not a gradebook of this course; name another folder for the results"),
        (make_newer, "was written by a newer grader (version 99; this one knows 1): use that one"),
        (make_damaged, "is damaged ("),
    ],
    ids=["text", "another database", "newer", "damaged"],
)
def test_a_file_that_is_no_gradebook(path, make, told):
    """What cannot be used is told in a sentence, left as it is, and keeps no lock."""
    make(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(UsageError) as error:
            Gradebook(path)
        assert told in str(error.value) and str(path) in str(error.value)
    assert path.read_bytes() == before


def test_a_full_disk(book):
    """When the disk is full the run ends with a sentence, and what was recorded is there."""
    book.record(made_up.record("ada", made_up.passed()))
    book._connection.execute(f"PRAGMA max_page_count = {book._connection.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(
        OSError,
        match="the disk is full, and .* cannot grow; make room and run the same command again: what was recorded is "
        "kept",
    ):
        book.record(made_up.record("bela", made_up.passed(), random.Random(0).randbytes(100_000)))
    assert [grade.student for grade in book.grades()] == ["ada"]


WRITER = """
import random, sys
from pathlib import Path
from grader.classroom.book.entries import Record, Wanted
from grader.classroom.book.gradebook import Gradebook
shown = {data!r}
with Gradebook(Path({path!r})) as book:
    done = {{(grade.student, grade.problem) for grade in book.grades()}}
    for index in range(10**9):
        if (f"s{{index}}", 31) in done:
            continue
        content = random.Random(index).randbytes(5000)
        book.record(Record(Wanted(f"s{{index}}", 31, str(index)), shown, content, "stub.py"))
        print(index, flush=True)
"""


def test_a_run_that_is_killed_loses_nothing(path):
    """Killed at random moments, the file holds every verdict that was reported as written, each whole and once, and
    takes the next run."""
    code, reported, rng = WRITER.format(data=machine.data(made_up.wrong()), path=str(path)), [], random.Random(5)
    for _ in range(4):
        run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        with run.stdout:
            for _ in range(rng.randrange(1, 60)):
                reported.append(int(run.stdout.readline()))
            os.kill(run.pid, signal.SIGKILL)
            reported += [int(line) for line in run.stdout if line.endswith("\n")]
        run.wait()
    assert len(reported) == len({*reported})
    with Gradebook(path) as book:
        grades = {grade.student: grade for grade in book.grades()}
        assert {f"s{index}" for index in reported} <= {*grades} and len(grades) <= len(reported) + 4
        assert {*grades} == {f"s{index}" for index in range(len(grades))}
        for index in range(len(grades)):
            assert book.content(str(index)) == random.Random(index).randbytes(5000)
            assert grades[f"s{index}"].verdict.status == Status.FAILED
        assert not book._rows("PRAGMA foreign_key_check") and book._rows("PRAGMA integrity_check")[0][0] == "ok"


# A mended check


def test_a_regrade_changes_nothing_until_it_is_accepted(book):
    """Proposed verdicts show whose grade would change, and how; all of them count at once, and what counted is kept."""
    for student, shown in (("ada", made_up.wrong(31, "forgot_the_scale")), ("bela", made_up.passed())):
        book.record(made_up.record(student, shown, student.encode()))
    before = marks(book, GRADING, {})
    for student in ("ada", "bela"):
        assert book.record(made_up.record(student, made_up.passed(), student.encode(), key="mended"), proposed=True)
    assert marks(book, GRADING, {}) == before
    ada, bela = changes(book, GRADING, {})
    assert (ada.old.grade.status, ada.old.grade.mistakes, ada.new.grade.status, ada.new.points, ada.matters) == (
        Status.FAILED,
        ("forgot_the_scale",),
        Status.PASSED,
        1.0,
        True,
    )
    assert ada.old.points < 1 and not bela.matters
    assert book.accept() == 2
    assert [(grade.status, grade.under.key, grade.attempts) for grade in book.grades()] == [
        (Status.PASSED, "mended", 1)
    ] * 2
    assert changes(book, GRADING, {}) == [] and book.accept() == 0
    assert book._rows("SELECT count(*) AS n FROM verdicts WHERE standing = 'replaced'")[0]["n"] == 2


def test_a_regrade_that_is_discarded(book):
    """What was proposed can be forgotten, and leaves no trace."""
    book.record(made_up.record("ada", made_up.wrong()))
    before = book.grades()
    book.record(made_up.record("ada", made_up.passed(), key="mended"), proposed=True)
    assert book.discard() == 1 and book.grades() == before and book.proposals() == []


def test_a_regrade_goes_on_where_it_stopped(book):
    """Left to do is what was graded under other checks and has no proposal under these; a second mending makes the
    first proposals anew."""
    for student in ("ada", "bela"):
        book.record(made_up.record(student, made_up.wrong(), student.encode()))
    book.record(made_up.record("chidi", made_up.wrong(), b"new", key="mended"))
    keys = {31: "mended"}
    assert [grade.student for grade in book.outdated(lambda grade: keys.get(grade.problem), "c1")] == ["ada", "bela"]
    book.record(made_up.record("ada", made_up.passed(), b"ada", key="mended"), proposed=True)
    assert [grade.student for grade in book.outdated(lambda grade: keys.get(grade.problem), "c1")] == ["bela"]
    assert [grade.student for grade in book.outdated(lambda grade: {31: "mended twice"}.get(grade.problem), "c1")] == [
        "ada",
        "bela",
        "chidi",
    ]
    assert book.outdated(lambda grade: {33: "other"}.get(grade.problem), "c1") == []
    book.record(made_up.record("ada", made_up.wrong(), b"ada", key="mended twice"), proposed=True)
    assert [(old.under.key, new.under.key) for old, new in book.proposals()] == [("key-31", "mended twice")]


def test_proposals_of_other_checks_are_withdrawn(book):
    """Those under another key, or another course, or for a problem that is not asked about any more; what counts
    stays."""
    for student in ("ada", "bela"):
        book.record(made_up.record(student, made_up.wrong(), student.encode()))
        book.record(
            made_up.record(student, made_up.passed(), student.encode(), key=f"mended for {student}"), proposed=True
        )
    before = book.grades()
    assert book.withdraw(lambda grade: "mended for ada", "c1") == 1 and [
        new.student for _, new in book.proposals()
    ] == ["ada"]
    assert book.withdraw(lambda grade: "mended for ada", "c1") == 0
    assert (
        book.withdraw(lambda grade: "mended for ada", "c2") == 1 and book.proposals() == [] and book.grades() == before
    )
    book.record(made_up.record("ada", made_up.passed(), b"ada", key="mended"), proposed=True)
    assert book.withdraw(lambda grade: None, "c1") == 1 and book.accept() == 0


# Points by hand


def test_an_override_holds_until_another(book):
    """Points by hand outlast new attempts and regrades, and only another override, or taking it back, undoes them; all
    of them are kept."""
    record = made_up.record("ada", made_up.wrong(), b"one")
    book.record(record)
    book.override("ada", 31, 0.5, " Explained it. ", "Dr. K")
    book.record(made_up.record("ada", made_up.passed(), b"two"))
    mark = marks(book, GRADING, {})[0].by_problem[31]
    assert (mark.points, mark.override.reason, mark.override.who, mark.flags) == (
        0.5,
        "Explained it.",
        "Dr. K",
        ("points by hand, for an earlier attempt",),
    )
    book.record(made_up.record("ada", made_up.wrong(), b"two", key="mended"), proposed=True)
    assert not any(change.matters and change.old.points != change.new.points for change in changes(book, GRADING, {}))
    book.accept()
    assert marks(book, GRADING, {})[0].by_problem[31].points == 0.5
    book.override("ada", 31, 0.7, "On second thoughts.", "Dr. K")
    assert marks(book, GRADING, {})[0].by_problem[31].points == 0.7
    book.override("ada", 31, None, "It was another student.", "Dr. K")
    assert marks(book, GRADING, {})[0].by_problem[31].override is None
    assert [override.points for override in book.overrides()] == [0.5, 0.7, None]


def test_points_by_hand_without_a_submission(book):
    """Somebody who handed in on paper can be given points."""
    book.arrived([Submission("ada", "Ada")])
    book.override("ada", 31, 1, "On paper.", "Dr. K")
    assert marks(book, GRADING, {})[0].by_problem[31].points == 1


def test_points_by_hand_follow_the_weight(book):
    """They stay the same part of what the problem is worth, all of it exactly; of a weight of nothing they are none."""
    book.arrived([Submission("ada"), Submission("bela")])
    book.override("ada", 31, 1, "On paper.", "Dr. K", 1.0)
    book.override("bela", 31, 1.5, "By mail.", "Dr. K", 2.0)

    def points(weight: float) -> list[float]:
        return [row.by_problem[31].points for row in marks(book, Grading({31: weight}), {})]

    assert [points(weight) for weight in (1.0, 0.1, 10.0, 0.0)] == [
        [1.0, 0.75],
        [0.1, 0.075],
        [10.0, 7.5],
        [0.0, 0.0],
    ]
    book.override("ada", 31, 0, "It does not count.", "Dr. K", 0.0)
    assert points(10.0) == [0.0, 7.5]


def test_more_points_than_a_problem_is_worth(tmp_path):
    """They are refused with what it is worth, and nothing changes; all of it is told beside what it is of."""
    console = Console(file=io.StringIO(), width=200)
    with Gradebook(tmp_path / NAME) as book:
        book.arrived([Submission("ada")])
    (tmp_path / "grading.toml").write_text("[weights]\n33 = 2.5\n")
    with pytest.raises(UsageError) as error:
        override(tmp_path, made_up.PROBLEMS, "ada", 33, 50, "Bravo.", console)
    assert (
        str(error.value)
        == "50 points are more than problem 33 is worth: give at most 2.5, or change its weight in grading.toml"
    )
    assert override(tmp_path, made_up.PROBLEMS, "ada", 33, 2.5, "Bravo.", console) == 0
    assert console.file.getvalue().startswith("ada, problem 33: 2.5 of 2.5 points by hand. ")
    with Gradebook(tmp_path / NAME, write=False) as book:
        assert [(given.points, given.weight) for given in book.overrides()] == [(2.5, 2.5)]


def test_points_by_hand_of_earlier_gradebooks(path):
    """A gradebook that does not say what a problem was worth is read, and written on: what was given there are points,
    whatever the weight."""
    with Gradebook(path) as book:
        book.arrived([Submission("ada")])
        book.override("ada", 31, 0.5, "On paper.", "Dr. K")
    with contextlib.closing(sqlite3.connect(path)) as earlier:
        earlier.execute("ALTER TABLE overrides DROP COLUMN weight")
        earlier.execute("ALTER TABLE students DROP COLUMN told")
    for write in (False, True):
        with Gradebook(path, write=write) as book:
            assert [given.worth(10.0) for given in book.overrides()] == [0.5] and book.students()[0].told == {}
    with Gradebook(path) as book:
        book.override("ada", 31, 1, "All of it.", "Dr. K", 1.0)
        assert [given.worth(10.0) for given in book.overrides()] == [0.5, 10.0]


@pytest.mark.parametrize(
    "student, points, reason, told",
    [
        ("adda", 1, "why", "there is no student 'adda' in gradebook.sqlite"),
        ("ada", -1, "why", "-1 are no points: give a number from 0 up"),
        ("ada", float("nan"), "why", "nan are no points: give a number from 0 up"),
        ("ada", 1, " ", "an override needs its reason: the student reads it, and so does whoever hears a complaint"),
    ],
)
def test_an_override_that_makes_no_sense(book, student, points, reason, told):
    """It is refused with a sentence, and nothing changes."""
    book.arrived([Submission("ada")])
    with pytest.raises(UsageError) as error:
        book.override(student, 31, points, reason, "Dr. K")
    assert str(error.value) == told and book.overrides() == []


def test_texts_that_no_database_holds(book):
    """Halves of surrogate pairs and NUL in a student's texts neither stop a run nor harm a row."""
    shown = replace(made_up.raises(31, "half \ud800 and \0"), prints=(("import", "\udfff\0"),))
    book.arrived([Submission("ada", "A\ud800", {"email": "\0"}, trouble="\ud800")])
    book.record(made_up.record("ada", shown))
    book.override("ada", 31, 1, "\ud800", "\ud800")
    assert book.grades()[0].verdict.prints == shown.prints and len(book.overrides()) == 1
    assert Wanted("ada", 31, book.grades()[0].digest) == made_up.record("ada", shown).wanted
