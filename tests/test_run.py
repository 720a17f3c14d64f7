"""How a class run conducts: what it asks of those who grade, what it says, and what it leaves. Verdicts are made up here; no submission is run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from grader.instructor.classroom import exam, run
from grader.instructor.classroom import machine as as_json
from grader.instructor.classroom.feedback import AT_FAULT, LATER
from grader.instructor.classroom.gradebook import Circumstances, Record
from grader.instructor.classroom.hands import Job
from grader.problem import CourseError
from grader.report import machine
from tests import made_up
from tests.conftest import PROBLEMS


class MadeUpHands:
    """Grades by what stands in the file: `wrong`, or else passed. `meanwhile` is called with each job and may do anything."""

    cores, missing = 1, {}

    def __init__(self, meanwhile: Callable[[Job], object], key: str):
        self.meanwhile, self.under = meanwhile, Circumstances(key, 1, exam.course_version())

    def submit(self, job: Job) -> Future:
        done: Future = Future()
        try:
            self.meanwhile(job)
            shown = (made_up.wrong if b"wrong" in job.content else made_up.passed)(job.wanted.problem)
            done.set_result(Record(job.wanted, machine.data(shown), job.content, job.place, self.under))
        except CourseError as error:
            done.set_exception(error)
        return done

    def close(self) -> None:
        pass


class Class:
    """A class in a folder: `hand_in` writes a file, `grade` runs the command and gives its exit code, with what it printed in `printed`."""

    def __init__(self, folder: Path, monkeypatch):
        self.submissions, self.results, self.key = folder / "submissions", folder / "results", "first"
        self.meanwhile: Callable[[Job], object] = lambda job: None
        monkeypatch.setattr(run, "_hands", lambda *_: MadeUpHands(self.meanwhile, self.key))
        monkeypatch.setattr(run, "key_digest", lambda problem, seed: self.key)

    def hand_in(self, student: str, problem: int, text: str = "right") -> Path:
        path = self.submissions / student / f"{problem}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {text}\ndef {made_up.ENTRIES[problem]}(): ...\n")
        return path

    def grade(self, **more) -> int:
        console = Console(file=io.StringIO(), width=200)
        code = run.run_class(Path(), run.Orders(self.submissions, self.results, [PROBLEMS[31], PROBLEMS[33]], [*PROBLEMS.values()], **more), console)
        self.printed = console.file.getvalue()
        return code

    def grades(self) -> dict[str, dict[str, str]]:
        """The rows of grades.csv."""
        return {row["student"]: row for row in csv.DictReader(io.StringIO((self.results / "grades.csv").read_text("utf-8-sig")))}

    def page(self, student: str) -> str:
        return (self.results / f"feedback/{student}.md").read_text()


@pytest.fixture
def klass(tmp_path, monkeypatch) -> Class:
    return Class(tmp_path, monkeypatch)


# What arrived and gets no verdict.

def test_what_the_machine_keeps_from_being_graded(klass):
    """Where the machine fails nobody is said to have handed nothing in: the command ends with 2, every file says that it is not graded yet, and the next run grades it."""
    def fails(job: Job) -> None:
        if job.wanted.student == "ada":
            raise CourseError("the disk is full")

    klass.hand_in("ada", 31)
    klass.hand_in("bela", 33)
    klass.meanwhile = fails
    assert klass.grade() == 2 and "not graded: ada, problem 31: the disk is full\n1 verdict missing, by no student's fault; the same command tries again\n" in klass.printed
    assert "2 of 2 students handed in" in klass.printed and "to look at: not graded yet (1)" in klass.printed
    assert {student: row["flags"] for student, row in klass.grades().items()} == {"ada": "31: not graded yet; 33: nothing handed in", "bela": "31: nothing handed in"}
    assert "| – not graded yet | 0 of 1 |" in klass.page("ada") and f"0 of 1 point\n\n{AT_FAULT}\n" in klass.page("ada")
    assert "not graded yet" in (klass.results / "report.html").read_text()
    klass.meanwhile = lambda job: None
    assert klass.grade() == 0 and klass.grades()["ada"]["flags"] == "33: nothing handed in" and AT_FAULT not in klass.page("ada")


def test_an_earlier_verdict_counts_and_is_told(klass):
    """Where only the last version has no verdict the one before counts, and instructor and student are told that it is the one before."""
    def fails(job: Job) -> None:
        raise CourseError("the disk is full")

    klass.hand_in("ada", 31)
    klass.grade()
    klass.hand_in("ada", 31, "wrong")
    klass.meanwhile = fails
    assert klass.grade() == 2
    assert (klass.grades()["ada"]["31"], klass.grades()["ada"]["flags"]) == ("1", "31: the last version is not graded yet; 33: nothing handed in")
    assert f"> {LATER}\n" in klass.page("ada") and LATER in (klass.results / "feedback/ada.html").read_text()


def test_a_file_that_changes_while_the_class_is_graded(klass):
    """It is told as not graded, with exit code 2, and not as never handed in; the next run grades what is there then."""
    klass.hand_in("ada", 31)
    klass.hand_in("bela", 31)
    klass.meanwhile = lambda job: klass.hand_in("bela", 31, "wrong")
    assert klass.grade() == 2 and "not graded: bela, problem 31: it changed while the class was graded\n" in klass.printed
    assert (klass.grades()["ada"]["31"], klass.grades()["bela"]["flags"]) == ("1", "31: not graded yet; 33: nothing handed in")
    assert klass.grade() == 0 and klass.grades()["bela"]["flags"] == "33: nothing handed in"


def test_what_has_no_verdict_as_json(klass, capsys):
    """`--json` flags it, names it among the faults, and fits its schema."""
    klass.hand_in("ada", 31)
    klass.hand_in("bela", 31)
    klass.meanwhile = lambda job: (klass.submissions / "bela/31.py").unlink()
    assert klass.grade(json=True) == 2
    told = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(Path(as_json.__file__).with_name("class.schema.json").read_text())).validate(told)
    assert told["faults"] == [dict(student="bela", problem=31, why="it changed while the class was graded")] and told["proposed"] == 0
    mark = told["students"][1]["problems"][0]
    assert (mark["status"], mark["flags"]) == (None, ["not graded yet"])


# What is left of another run.

def test_a_run_that_was_killed_at_its_first_file(klass):
    """A temporary file in a folder that has nothing else yet keeps nobody out: the same command goes on."""
    klass.hand_in("ada", 31)
    klass.results.mkdir()
    (klass.results / "tmp0a1b_2c3.tmp").touch()
    assert klass.grade() == 0 and klass.grades()["ada"]["31"] == "1"


# A mended check.

def test_a_proposal_outlives_no_change_of_the_checks(klass):
    """What a regrade proposed is forgotten once the checks are others than those that gave it, also where they are the first ones again: --accept takes no such verdict."""
    klass.hand_in("ada", 31)
    for change in ("first", "third"):
        klass.key = "first"
        klass.grade()
        klass.key = "second"
        assert klass.grade(regrade=True) == 0 and "graded again: 1 verdict;" in klass.printed
        klass.key = change
        klass.grade(accept=True)
        assert "1 proposed verdict forgotten: the checks changed after --regrade, which proposes anew\n0 proposed verdicts accepted\n" in klass.printed
    klass.key = "first"
    klass.grade(regrade=True)
    assert "there is nothing to grade again" in klass.printed


def test_proposals_that_wait_are_told(klass):
    """A run says how many verdicts wait to be accepted or discarded, for as long as they do."""
    told = "waiting for --accept or --discard: 1 proposed verdict\n"
    klass.hand_in("ada", 31)
    klass.grade()
    assert told not in klass.printed
    klass.key = "second"
    klass.grade(regrade=True)
    klass.grade()
    assert told in klass.printed
    klass.grade(accept=True)
    assert "1 proposed verdict accepted\n" in klass.printed and told not in klass.printed
