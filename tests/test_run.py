"""How a class run conducts: what it asks of those who grade, what it says, and what it leaves. Verdicts are made up
here; no submission is run."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from grader.classroom import run
from grader.classroom.book.entries import Circumstances, Record
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.book.points import Credit, credit
from grader.classroom.grading import exam, hands
from grader.classroom.grading.hands import Hands, Job
from grader.classroom.grading.marker import Marker
from grader.classroom.orders import Orders
from grader.classroom.pages import machine as as_json
from grader.classroom.pages.wording import AT_FAULT, LATER, UNASKED, UNASKED_LATER
from grader.course.problem import CourseError
from grader.course.select import UsageError
from grader.course.verdict import Verdict
from grader.report import machine
from tests import made_up
from tests.conftest import PROBLEMS, ROOT
from tests.schema import validate


class MadeUpHands:
    """Grades by what stands in the file: `wrong`, or else passed; `slow` is stopped by the clock the first time.
    `meanwhile` is called with each job and may do anything."""

    cores, missing = 1, {}

    def __init__(self, meanwhile: Callable[[Job], object], key: str):
        self.meanwhile, self.under, self.seen = meanwhile, Circumstances(key, 1, exam.course_version()), []

    def submit(self, job: Job) -> Future:
        done: Future = Future()
        try:
            self.meanwhile(job)
            stopped = b"slow" in job.content and job not in self.seen
            self.seen.append(job)
            shown = (made_up.wrong if b"wrong" in job.content or stopped else made_up.passed)(job.wanted.problem)
            done.set_result(Record(job.wanted, machine.data(shown), job.content, job.place, self.under, stopped))
        except CourseError as error:
            done.set_exception(error)
        return done

    def close(self) -> None:
        pass


class Judging(Hands):
    """Grades as the real ones do, but for the room: what comes back is made up, and `broken` says whether the judge has
    a fault that some of it meets."""

    cores, missing = 1, {}

    def __init__(self, key: str, broken: bool):
        self.under, self.broken, self.marker = Circumstances("", 1, exam.course_version()), broken, self
        self.exams = {number: SimpleNamespace(problem=PROBLEMS[number], digest=key) for number in (31, 33)}
        self.pool, self.server = ThreadPoolExecutor(1), SimpleNamespace(close=lambda: None)

    def mark(self, exam, content: bytes, place: str = "") -> Verdict:
        shown = (made_up.wrong if b"wrong" in content else made_up.passed)(exam.problem.number)
        if self.broken and b"raises" in content:
            raise ValueError("Exceeds the limit (4300 digits) for integer string conversion")
        if self.broken and b"unshown" in content:
            return replace(shown, prints=(("import", 7),))
        return shown


class Class:
    """A class in a folder: `hand_in` writes a file, `grade` runs the command and gives its exit code, with what it
    printed in `printed`."""

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

    def grade(self, terminal: bool = False, **more) -> int:
        console = Console(file=io.StringIO(), width=200, force_terminal=terminal)
        asked = dict(problems=[PROBLEMS[31], PROBLEMS[33]], everything=[*PROBLEMS.values()])
        try:
            return run.run_class(Path(), Orders(self.submissions, self.results, **asked | more), console)
        finally:
            self.printed = console.file.getvalue()

    def grades(self) -> dict[str, dict[str, str]]:
        """The rows of grades.csv."""
        return {
            row["student"]: row
            for row in csv.DictReader(io.StringIO((self.results / "grades.csv").read_text("utf-8-sig")))
        }

    def page(self, student: str) -> str:
        return (self.results / f"feedback/{student}.md").read_text()


@pytest.fixture
def klass(tmp_path, monkeypatch) -> Class:
    return Class(tmp_path, monkeypatch)


# What it says meanwhile.


@pytest.mark.parametrize("terminal", [False, True])
def test_each_long_stage_is_a_line_where_there_is_no_terminal(klass, monkeypatch, terminal):
    """On a pipe whoever waits reads what is done now, once for each stage and not for each step; in a terminal a bar
    says it, and leaves no line."""

    def telling(root, orders, seed, wanted, progress) -> MadeUpHands:
        for text in ("computing the answer key of 31", "compiling it (1 of 2)", "compiling it (2 of 2)"):
            progress(text)
        return MadeUpHands(klass.meanwhile, klass.key)

    monkeypatch.setattr(run, "_hands", telling)
    klass.hand_in("ada", 31, "slow")
    klass.hand_in("bela", 31)
    klass.grade(terminal=terminal)
    stages = "computing the answer key of 31\ncompiling it\ngrading\ngrading alone what was stopped by the clock\n"
    assert (stages in klass.printed) != terminal


def test_what_the_machine_cannot_give_is_told_before_the_keys(klass, monkeypatch):
    """The limits are tried before an answer key is computed, which takes minutes."""
    monkeypatch.undo()
    monkeypatch.setattr(run, "_exams", lambda *_: pytest.fail("a key was asked for"))
    monkeypatch.setattr(hands, "demand", lambda found, waived: (_ for _ in ()).throw(UsageError("a limit is missing")))
    monkeypatch.setattr(hands, "survey", lambda *_: None)
    klass.hand_in("ada", 31)
    with pytest.raises(UsageError, match="a limit is missing"):
        klass.grade()


def test_the_rules_are_there_before_anything_is_graded(klass):
    """The first run writes grading.toml and says so before it grades, so that it can be stopped and the file changed;
    what stands there holds then, and no later run says it again."""

    def stop(job: Job) -> None:
        raise KeyboardInterrupt

    klass.hand_in("ada", 31)
    klass.meanwhile = stop
    with pytest.raises(KeyboardInterrupt):
        klass.grade()
    rules = klass.results / "grading.toml"
    assert klass.printed.startswith(f"{rules} is written: what each problem is worth, ")
    assert "nothing is graded anew\n" in klass.printed.partition("grading (")[0]
    rules.write_text(rules.read_text().replace("31 = 1 ", "31 = 3 "))
    klass.meanwhile = lambda job: None
    assert klass.grade() == 0 and klass.grades()["ada"]["total"] == "75" and "is written" not in klass.printed


def test_a_name_that_nobody_has(klass):
    """An extension for a name that nobody has is told, with the names that are near."""
    klass.hand_in("ada.lovelace", 31)
    klass.grade()
    rules = klass.results / "grading.toml"
    rules.write_text(rules.read_text() + '[late.extensions]\n"ada lovelace" = 3\nzoe = 1\n')
    assert klass.grade() == 0
    told = (
        "grading.toml speaks of {} below [late], and nobody who handed in is called so: take a name, a login or a "
        "number of grades.csv"
    )
    assert f"{told.format('ada lovelace')}; did you mean ada.lovelace?\n" in klass.printed
    assert f"{told.format('zoe')}\n" in klass.printed


# What arrived and gets no verdict.


def test_what_the_machine_keeps_from_being_graded(klass):
    """Where the machine fails nobody is said to have handed nothing in: the command ends with 2, every file says that
    it is not graded yet, and the next run grades it."""

    def fails(job: Job) -> None:
        if job.wanted.student == "ada":
            raise CourseError("the disk is full")

    klass.hand_in("ada", 31)
    klass.hand_in("bela", 33)
    klass.meanwhile = fails
    assert (
        klass.grade() == 2
        and "not graded: ada, problem 31: the disk is full\n1 verdict missing, by no student's fault; the same "
        "command tries again\n"
        in klass.printed
    )
    assert "2 of 2 students handed in" in klass.printed and "to look at: not graded yet (1)" in klass.printed
    assert {student: row["flags"] for student, row in klass.grades().items()} == {
        "ada": "31: not graded yet; 33: nothing handed in",
        "bela": "31: nothing handed in",
    }
    assert "| – not graded yet | – of 1 |" in klass.page("ada") and f"– of 1 point\n\n{AT_FAULT}\n" in klass.page("ada")
    assert "not graded yet" in (klass.results / "report.html").read_text()
    klass.meanwhile = lambda job: None
    assert (
        klass.grade() == 0
        and klass.grades()["ada"]["flags"] == "33: nothing handed in"
        and AT_FAULT not in klass.page("ada")
    )


def test_an_earlier_verdict_counts_and_is_told(klass):
    """Where only the last version has no verdict the one before counts, and instructor and student are told that it is
    the one before."""

    def fails(job: Job) -> None:
        raise CourseError("the disk is full")

    klass.hand_in("ada", 31)
    klass.grade()
    klass.hand_in("ada", 31, "wrong")
    klass.meanwhile = fails
    assert klass.grade() == 2
    assert (klass.grades()["ada"]["31"], klass.grades()["ada"]["flags"]) == (
        "1",
        "31: the last version is not graded yet; 33: nothing handed in",
    )
    assert f"> {LATER}\n" in klass.page("ada") and LATER in (klass.results / "feedback/ada.html").read_text()


def test_a_file_that_changes_while_the_class_is_graded(klass):
    """It is told as not graded, with exit code 2, and not as never handed in; the next run grades what is there
    then."""
    klass.hand_in("ada", 31)
    klass.hand_in("bela", 31)
    klass.meanwhile = lambda job: klass.hand_in("bela", 31, "wrong")
    assert (
        klass.grade() == 2 and "not graded: bela, problem 31: it changed while the class was graded\n" in klass.printed
    )
    assert (klass.grades()["ada"]["31"], klass.grades()["bela"]["flags"]) == (
        "1",
        "31: not graded yet; 33: nothing handed in",
    )
    assert klass.grade() == 0 and klass.grades()["bela"]["flags"] == "33: nothing handed in"


def test_a_smaller_selection_makes_nothing_of_what_is_known(klass):
    """A run that is asked for some of the problems keeps what is known of the others, and says of new work for them
    that it waits, to the student without a fault of anybody's; what could not be read is told either way."""
    klass.hand_in("ada", 31)
    klass.hand_in("ada", 33)
    klass.grade()
    klass.hand_in("bela", 31)
    klass.hand_in("bela", 33)
    klass.hand_in("ada", 33, "wrong")
    for student in ("ada", "chidi"):
        klass.hand_in(student, 31).with_name("more.zip").write_bytes(b"PK")
    assert klass.grade(problems=[PROBLEMS[31]]) == 0
    assert (
        "not graded yet, since this run was asked for other problems: 2 answers; --problems 33 grades the rest\n"
        in klass.printed
    )
    assert {student: (row["33"], row["total"], row["flags"]) for student, row in klass.grades().items()} == {
        "ada": ("1", "100", "33: the last version is not graded yet"),
        "bela": ("", "", "33: not graded yet"),
        "chidi": ("", "", "33: could not be read"),
    }
    assert f"> {UNASKED_LATER}\n" in klass.page("ada") and f"– of 1 point\n\n{UNASKED}\n" in klass.page("bela")
    report = (klass.results / "report.html").read_text()
    assert "not among the problems that this run was asked to grade (2)" in report
    assert klass.grade() == 0 and klass.grades()["bela"]["total"] == "100" and "not graded yet" not in klass.printed
    (klass.submissions / "ada/33.py").unlink()
    klass.grade(problems=[PROBLEMS[31]])
    assert float(klass.grades()["ada"]["33"]) < 1, (
        "what cannot be read takes the place of no verdict that is not asked for"
    )


def test_what_has_no_verdict_as_json(klass, capsys):
    """`--json` flags it, names it among the faults, and fits its schema."""
    klass.hand_in("ada", 31)
    klass.hand_in("bela", 31)
    klass.meanwhile = lambda job: (klass.submissions / "bela/31.py").unlink()
    assert klass.grade(json=True) == 2
    told = json.loads(capsys.readouterr().out)
    validate(told, json.loads(Path(as_json.__file__).with_name("class.schema.json").read_text()))
    assert (
        told["faults"] == [dict(student="bela", problem=31, why="it changed while the class was graded")]
        and told["proposed"] == 0
    )
    mark = told["students"][1]["problems"][0]
    assert (mark["status"], mark["flags"]) == (None, ["not graded yet"])


# What is written for others.


def test_no_seed_is_written_but_in_the_gradebook(klass, monkeypatch, capsys):
    """Neither the secret nor a seed that follows from it stands in the JSON, in a page, a report, an import, a zip or
    what is printed: whoever has one knows the inputs of every run to come."""
    made = []

    def seeded(root, orders, seed, *_) -> MadeUpHands:
        found = MadeUpHands(klass.meanwhile, klass.key)
        found.under = replace(found.under, seed=seed)
        made.append(found)
        return found

    monkeypatch.setattr(run, "_hands", seeded)
    klass.submissions.mkdir()
    for text in ("right", "wrong"):
        for path in ("ada_41_600_31.py", "Bela_7_assignsubmission_file_33.py"):
            (klass.submissions / path).write_text(f"# {text}\n")
        assert klass.grade(json=True) == 0
        printed = json.loads(capsys.readouterr().out)
    klass.grade()
    with Gradebook(klass.results / NAME, write=False) as book:
        seeds = {book.secret, book.seed, *(grade.under.seed for grade in book.grades())}
    assert len(made) == 2 and len(seeds) == 3
    written = {
        path.name: path.read_bytes()
        for path in klass.results.rglob("*")
        if not path.name.startswith(NAME) and path.is_file()
    }
    assert {"canvas_feedback.zip", "moodle_feedback.zip", "report.html", "canvas.csv", "grading.toml"} <= {*written}
    for name in ("canvas_feedback.zip", "moodle_feedback.zip"):
        with zipfile.ZipFile(klass.results / name) as packed:
            written |= {f"{name}/{inside}": packed.read(inside) for inside in packed.namelist()}
    written |= {"the JSON": json.dumps(printed).encode(), "the terminal": klass.printed.encode()}
    for name, content in written.items():
        assert not [seed for seed in seeds for text in (str(seed), f"{seed:x}") if text.encode() in content], name
    assert {
        mark["under"]["round"] for student in printed["students"] for mark in student["problems"] if mark["under"]
    } == {1}


def test_the_version_tells_the_grader(monkeypatch):
    """What a verdict depends on is in the version that it is kept with: a change in any room that decides makes
    another, so that --regrade sees it; how a page looks is no part of it."""
    rooms = {path.parent.name for path in exam.deciding()}
    assert rooms == {"course", "process", "program", "run", "key", "judge"}
    assert ROOT / "grader/judge/grade.py" in exam.deciding()
    before = exam.course_version()
    monkeypatch.setattr(exam, "deciding", lambda known=exam.deciding: known()[1:])
    assert exam.course_version() != before


# What the grader fails on.


def test_a_file_that_the_grader_fails_on(klass, monkeypatch):
    """Whatever judging one file brings about is that file's verdict: it could not be checked, its points are open, a
    person is told how the grader failed, and the run goes on and ends as always, with other inputs for whoever hands in
    next."""
    monkeypatch.setattr(run, "_hands", lambda *_: Judging(klass.key, broken=True))
    for student, text in dict(ada="right", bela="raises", chidi="unshown", dalia="wrong").items():
        klass.hand_in(student, 31, text)
    assert klass.grade() == 0
    with Gradebook(klass.results / NAME, write=False) as book:
        assert book.setting("round") == "1"
        grades = {grade.student: grade for grade in book.grades()}
    assert {student: (grade.status.value, grade.unjudged) for student, grade in grades.items()} == {
        "ada": ("passed", False),
        "bela": ("could not be checked", True),
        "chidi": ("could not be checked", True),
        "dalia": ("failed", False),
    }
    assert credit(grades["bela"].verdict) == Credit(0.0, 1.0) and credit(grades["bela"].verdict).open
    flags = "31: could not be checked: the grader failed on it; 33: nothing handed in"
    assert [row["flags"] for row in klass.grades().values()] == [
        "33: nothing handed in",
        flags,
        flags,
        "33: nothing handed in",
    ]
    assert (
        "2 files could not be checked, since the grader failed: the report says which and how; once it is mended, "
        "--regrade checks again\n" in klass.printed
    )
    assert "4 verdicts given" in klass.printed and "not graded" not in klass.printed
    report = (klass.results / "report.html").read_text()
    assert (
        "could not be checked, since the grader failed on it" in report
        and "bela, 31: ValueError in test_run.py, line" in report
        and "Exceeds the limit" in report
    )
    page = klass.page("bela")
    assert (
        "? **It could not be checked: the grader failed on what came back from this file.**" in page
        and "A person has to look at it" in page
    )
    assert (
        "Exceeds" not in page
        and "your mistake" not in page
        and "Exceeds" not in (klass.results / "feedback/bela.html").read_text()
    )


def test_once_the_grader_is_mended(klass, monkeypatch):
    """--regrade also takes what it failed on, though no check has changed, on the inputs that it had; nothing changes
    until --accept, and then nothing is left to do."""
    hands = Judging(klass.key, broken=True)
    monkeypatch.setattr(run, "_hands", lambda *_: hands)
    klass.hand_in("ada", 31)
    klass.hand_in("bela", 31, "raises")
    klass.grade()
    assert "some verdicts were given by other checks" not in klass.printed
    hands.broken, hands.pool = False, ThreadPoolExecutor(1)
    assert (
        klass.grade(regrade=True) == 0
        and "graded again: 1 verdict; for 1 of them something would change" in klass.printed
    )
    assert (
        klass.grade(accept=True) == 0
        and klass.grades()["bela"]["31"] == "1"
        and "could not be checked" not in klass.printed
    )
    hands.pool = ThreadPoolExecutor(1)
    klass.grade(regrade=True)
    assert "there is nothing to grade again" in klass.printed


def test_a_fault_of_the_machine_keeps_no_inputs_for_everybody(klass):
    """A run that gave a verdict is followed by other inputs, whatever kept others from theirs; one that gave none is
    not."""

    def fails(job: Job) -> None:
        if job.wanted.student == "ada":
            raise CourseError("the disk is full")

    def rounds() -> str:
        with Gradebook(klass.results / NAME, write=False) as book:
            return book.setting("round", "0")

    klass.meanwhile = fails
    klass.hand_in("ada", 31)
    assert klass.grade() == 2 and rounds() == "0"
    klass.hand_in("bela", 31)
    assert klass.grade() == 2 and rounds() == "1"


@pytest.mark.parametrize(
    "content, told",
    [
        (b"# \xe9\n", "work.zip/ada_31.py is not text in UTF-8, and its first lines name no other encoding"),
        (PROBLEMS[31].pristine.read_bytes(), "Open work.zip/ada_31.py and fill in the TODO;"),
    ],
)
def test_a_file_that_is_not_run_is_told_by_its_own_name(content, told):
    """What can be said without running a file names it as it was handed in, not as it is called where it is graded."""
    trouble = Marker(None, None).mark(SimpleNamespace(problem=PROBLEMS[31]), content, "work.zip/ada_31.py").trouble
    assert f"{trouble.summary} {trouble.advice}".count(told) == 1


# What the clock stopped.


def test_what_the_clock_stopped_is_graded_once_more(klass):
    """It is tried again after all others, beside no other, and what came of it then is what counts."""
    order = []
    klass.meanwhile = lambda job: order.append(job.wanted.student)
    for student, text in {"ada": "slow", "bela": "right", "chidi": "slow and wrong", "dalia": "right"}.items():
        klass.hand_in(student, 31, text)
    assert klass.grade() == 0 and order == ["ada", "bela", "chidi", "dalia", "ada", "chidi"]
    grades = klass.grades()
    assert [grades[student]["31"] for student in ("ada", "bela", "dalia")] == ["1", "1", "1"] and float(
        grades["chidi"]["31"]
    ) < 1
    assert "4 verdicts given" in klass.printed


# What is left of another run.


def test_a_run_that_was_killed_at_its_first_file(klass):
    """A temporary file in a folder that has nothing else yet keeps nobody out: the same command goes on."""
    klass.hand_in("ada", 31)
    klass.results.mkdir()
    (klass.results / "tmp0a1b_2c3.tmp").touch()
    assert klass.grade() == 0 and klass.grades()["ada"]["31"] == "1"


# A mended check.


def test_a_proposal_outlives_no_change_of_the_checks(klass):
    """What a regrade proposed is forgotten once the checks are others than those that gave it, also where they are the
    first ones again: --accept takes no such verdict."""
    klass.hand_in("ada", 31)
    for change in ("first", "third"):
        klass.key = "first"
        klass.grade()
        klass.key = "second"
        assert klass.grade(regrade=True) == 0 and "graded again: 1 verdict;" in klass.printed
        klass.key = change
        klass.grade(accept=True)
        assert (
            "1 proposed verdict forgotten: the checks changed after --regrade, which proposes anew\n0 proposed "
            "verdicts accepted\n" in klass.printed
        )
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
