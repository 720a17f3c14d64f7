"""A class of made-up students, graded by the real command: the expected gradebook comes of it, whatever happens on the
way."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.bench.soak import expectations, told
from grader.classroom.book.gradebook import NAME, Gradebook
from grader.classroom.pages import machine
from grader.classroom.walls import walls
from grader.course.problem import mistakes
from grader.student.cli import STOPPED, main
from tests import classroom
from tests.conftest import PROBLEMS, ROOT
from tests.schema import validate

pytestmark = pytest.mark.thorough

classroom.need_a_sandbox()

NUMBERS = (31, 33)
ASKED = ("--problems", *map(str, NUMBERS))
OWN_CODE = re.compile(
    r"<details[^>]*><summary>the code that was graded(?:(?!</summary>).)*</summary>"
    r"(?:<pre>.*?</pre>|\n\n(?P<fence>`{3,})python\n.*?\n(?P=fence)\n\n)</details>",
    re.DOTALL,
)
ROSTER = """Student,ID,SIS User ID,SIS Login ID,Section,Attention (77)
    Points Possible,,,,,100
"Time, One Query At A",1004,s4,one,A,
"Softmax, Overflowing",1013,s13,over,A,
"Lovelace, Ada",4711,s99,ada,A,
"""


@pytest.fixture(scope="session")
def graded(once) -> Path:
    """The whole class, graded once: `submissions`, `results`, `roster.csv`, `printed.json` and what was `said`."""

    def grade(folder: Path) -> None:
        classroom.made(folder / "submissions")
        (folder / "roster.csv").write_text(ROSTER)
        classroom.begun(folder / "results")
        printed, said = classroom.run(
            ROOT,
            folder / "mark",
            folder / "submissions",
            "--out",
            folder / "results",
            *ASKED,
            "--roster",
            folder / "roster.csv",
            "--similar",
            "--json",
        )
        (folder / "printed.json").write_text(printed)
        (folder / "said").write_text(said)

    return once("class", grade)


@pytest.fixture(scope="session")
def report(graded) -> dict:
    return json.loads((graded / "printed.json").read_text())


@pytest.fixture
def again(graded, tmp_path) -> Path:
    """A copy of the graded class that a test may change."""
    subprocess.run(["cp", "-a", f"{graded}/.", tmp_path / "class"], check=True)  # with its links and its pipe
    return tmp_path / "class"


def grade(folder: Path, *words, code: int = 0, **more) -> tuple[str, str]:
    return classroom.run(
        ROOT, folder / "mark", folder / "submissions", "--out", folder / "results", *ASKED, *words, code=code, **more
    )


def content(results: Path) -> dict[str, object]:
    """Everything in a folder of results: each file's bytes, and of the gradebook what it says."""
    files = {
        str(path.relative_to(results)): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file() and not path.name.startswith(NAME)
    }
    with contextlib.closing(sqlite3.connect(f"file:{results / NAME}?mode=ro", uri=True)) as book:
        return files | {NAME: [*book.iterdump()]}


# What comes of the class.


def test_the_gradebook_is_the_expected_one(report):
    """Each student's work has the expected verdict and mistake, nobody is missing and nobody is there twice; what could
    not be read is told apart."""
    assert classroom.unlike(classroom.rows(report), classroom.expected()) == []


def test_the_class_has_what_a_class_may_have():
    """At least sixty pieces: a sample of mistakes, each named as itself, every right style of 31, most of the hostile
    submissions."""
    rows = classroom.expected()
    assert len(rows) >= 60
    named = {(row["problem"], row["mistake"]): row["student"].lower() for row in rows if row["mistake"]}
    banks = {number: mistakes(PROBLEMS[number].solutions / "mistakes.py") for number in classroom.SAMPLE}
    sampled = {
        (str(number), known.name): known.id
        for number, bank in banks.items()
        for known in bank
        if known.id in classroom.SAMPLE[number]
    }
    assert len(sampled) == sum(map(len, classroom.SAMPLE.values())) and sampled.keys() <= named.keys()
    assert all(sampled.get(key, key[1]) in student for key, student in named.items())
    students = {row["student"] for row in rows}
    assert all(any(f"right_{style}" in student for student in students) for style in classroom.right(31))
    assert {f"hostile_{name}" for name in {*classroom.HOSTILE} - classroom.SLOW} <= students


def test_each_hostile_one_is_told_what_it_is(graded):
    """The verdict on each hostile submission says what its own docstring expects."""
    with Gradebook(graded / "results" / NAME, write=False) as book:
        lines = {grade.student: told(grade.verdict) for grade in book.grades()}
    folder = Path(classroom.__file__).with_name("hostile")
    wrong = [
        f"{name}: {lines[f'hostile_{name}']}"
        for name in {*classroom.HOSTILE} - classroom.SLOW
        if not any(part in lines[f"hostile_{name}"] for part in expectations(folder / f"{name}.py"))
    ]
    assert wrong == []


def test_the_json_fits_its_schema(report):
    """What `--json` prints is as `class.schema.json` says, and nothing else is on standard output."""
    schema = json.loads((Path(machine.__file__).with_name("class.schema.json")).read_text())
    validate(report, schema)
    assert (
        report["graded"] + report["kept"]
        == sum(bool(row["problem"]) and not row["unread"] for row in classroom.expected())
        and report["waived"] == [] == report["faults"]
    )


def test_warnings_are_nobodys(graded):
    """The command says nothing on the side where nothing is wrong, but what it does now."""
    said = (graded / "said").read_text().splitlines()
    assert (
        "grading.toml is written" in said[0]
        and said[1] == TRYING
        and all(re.match("computing the answer key of|compiling what|grading", line) for line in said[2:])
    )


def test_every_file_is_there(graded, report):
    """The gradebook, the weights, grades.csv, the roster filled, the report, the similar ones, two pages for each
    student, and zips of them for both systems whose downloads are in the class; nothing else."""
    students = {student["student"] for student in report["students"]}
    there = {
        str(path.relative_to(graded / "results"))
        for path in (graded / "results").rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }
    assert there == {
        NAME,
        f"{NAME}.lock",
        "grading.toml",
        "grades.csv",
        "canvas.csv",
        "report.html",
        "similar.html",
        "canvas_feedback.zip",
        "moodle_feedback.zip",
        *(f"feedback/{student}{suffix}" for student in students for suffix in (".html", ".md")),
    }


def test_pages_tell_no_secret(graded, report):
    """No page has a value that was expected, a seed, a solution, or a folder of the machine that graded, beyond the
    student's own code."""
    pages = {
        path: OWN_CODE.sub("", path.read_text())
        for path in [*(graded / "results/feedback").iterdir(), graded / "results/report.html"]
    }
    with Gradebook(graded / "results" / NAME, write=False) as book:
        secrets = {
            str(book.secret),
            str(book.seed),
            *(str(grade.under.seed) for grade in book.grades() if grade.under.seed),
        }
        expected = {grade.student: _expected_values(grade.data) for grade in book.grades()}
    folders = {str(folder) for folder in (ROOT, graded, Path.home(), Path(sys.prefix)) if len(str(folder)) > 3}
    statements = {
        line.strip()
        for line in (PROBLEMS[31].solutions / "reference.py").read_text().splitlines()
        if len(line.strip()) > 40
    }
    # who handed the reference in may read it
    mine = ("right_reference", "twice", "=cmd", "_cmd", "_script", "Everything")
    for path, page in pages.items():
        for secret in {*secrets, *folders, "LEAK", "CANARY", "Traceback"}:
            assert secret not in page, f"{path.name}: {secret}"
        if not path.name.startswith(mine):
            assert not any(statement in page for statement in statements), path.name
        for value in expected.get(path.stem, ()):
            assert value not in page, f"{path.name}: {value}"
    assert sum(map(len, expected.values())) > 30, "the gradebook itself holds what was expected"


def _expected_values(verdict: dict) -> set[str]:
    """The expected values that the gradebook tells of the wrong ones, as a page might write them: those of four digits,
    which do not come about by chance."""
    found = set()

    def walk(value) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("expected"), float):
                found.add(f"{abs(value['expected']):.4g}")
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(verdict)
    return {text for text in found if len(text.replace("0.", "").replace(".", "")) >= 4}


def test_the_roster_is_filled(graded):
    """Canvas's export comes back with its column filled, and who handed nothing in is told in grades.csv and in the
    report."""
    rows = list(csv.reader(io.StringIO((graded / "results/canvas.csv").read_text())))
    assert rows[0][:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    column = len(rows[0]) - 1
    assert {row[1]: row[column] for row in rows[2:]} == {"1004": "50", "1013": "37.5", "4711": ""}
    grades = list(csv.DictReader(io.StringIO((graded / "results/grades.csv").read_text("utf-8-sig"))))
    assert [row["flags"] for row in grades if row["name"] == "Lovelace, Ada"] == ["nothing arrived"]
    page = (graded / "results/report.html").read_text()
    assert (
        "on the roster, and nothing arrived" in page
        and "Lovelace, Ada" in page
        and "arrived, and is not on the roster" in page
    )


def test_similar_ones_are_reported(graded):
    """Who handed in the same file is a pair, in the report and side by side; the many different right answers are
    not."""
    page, report = (graded / "results/similar.html").read_text(), (graded / "results/report.html").read_text()
    assert "twice" in page and "twice.zip" in page and 'href="similar.html"' in report
    assert "right_by_hand" not in page and "right_one_query_at_a_time" not in page


def test_nothing_is_left(graded):
    """When the command has ended, so has everything that it started, what submissions started included, and no control
    group and no temporary file is left."""
    assert classroom.processes(graded / "mark") == {} and [*(graded / "mark").iterdir()] == []


# The same command once more.


def test_once_more_grades_nothing_and_changes_nothing(again):
    """The second run of the same command gives no verdict, and every file is what it was, to the byte."""
    before = content(again / "results")
    printed, said = grade(again, "--roster", again / "roster.csv", "--similar")
    kept = sum(bool(row["problem"]) and not row["unread"] for row in classroom.expected())
    assert printed.startswith(f"0 verdicts given, {kept} kept from earlier runs\n") and said == ""
    assert content(again / "results") == before


def test_only_what_changed_is_graded_anew(again, report):
    """One student's new file is the only one that is graded, on other inputs; the attempt is counted, and all else
    stays. Going back to the first one grades nothing."""
    same = ("--roster", again / "roster.csv", "--json")  # it has the students' names
    file = again / "submissions/right_reference/31.py"
    first = file.read_bytes()
    file.write_bytes(classroom.wrong(31, "no_softmax"))
    later = json.loads(grade(again, *same)[0])
    before, after = ({student["student"]: student for student in told["students"]} for told in (report, later))
    changed = [student for student in after if after[student] != before[student]]
    old, new = (told["right_reference"]["problems"][0] for told in (before, after))
    assert later["graded"] == 1 and changed == ["right_reference"]
    assert (new["status"], new["attempts"], new["names"][0]["mistake"]) == ("failed", 2, "no_softmax")
    assert new["under"]["round"] != old["under"]["round"] and new["under"]["key"] != old["under"]["key"]
    assert "--regrade" not in (again / "results/report.html").read_text(), "other inputs are no other checks"
    page = (again / "results/feedback/right_reference.html").read_text()
    assert "version 2 of yours" in page
    file.write_bytes(first)
    last = json.loads(grade(again, *same)[0])
    assert last["graded"] == 0
    back = next(student for student in last["students"] if student["student"] == "right_reference")["problems"][0]
    assert (back["status"], back["attempts"], back["under"]["round"]) == ("passed", 2, old["under"]["round"])


def test_points_by_hand_stay(again, capsys):
    """An override holds in the next run too, in every file, with its reason; `none` takes it back."""

    def points() -> str:
        rows = csv.DictReader(io.StringIO((again / "results/grades.csv").read_text("utf-8-sig")))
        return next(row["31"] for row in rows if row["student"] == "softmax_over_queries")

    checks = points()
    assert (
        main(
            [
                "override",
                str(again / "results"),
                "softmax_over_queries",
                "31",
                "0.75",
                "--reason",
                "The idea is right, <b>only</b> the axis is not.",
            ]
        )
        == 0
    )
    assert capsys.readouterr().out == (
        "softmax_over_queries, problem 31: 0.75 of 1 point by hand. The same class command as before writes grades "
        "and feedback anew\n"
    )
    for _ in range(2):
        grade(again)
        assert points() == "0.75" != checks
    told = f"0.75 points by hand, instead of {checks} by checks: The idea is right, "
    assert told in (again / "results/feedback/softmax_over_queries.html").read_text()
    assert told in (again / "results/feedback/softmax_over_queries.md").read_text().replace("\\", "")
    assert "<b>only</b>" not in (again / "results/feedback/softmax_over_queries.html").read_text()
    assert "points by hand" in (again / "results/report.html").read_text()
    assert main(["override", str(again / "results"), "softmax_over_queries", "31", "none", "--reason", "A slip."]) == 0
    grade(again)
    assert points() == checks


# A check that is mended.


def test_a_mended_check_shows_what_would_change_and_changes_nothing_by_itself(course, tmp_path):
    """--regrade grades again on the same inputs and tells whose grade would change; none does until --accept. --discard
    forgets it."""
    checks = course / "problems/31_sdpa/checks.py"
    mended = checks.read_text()
    checks.write_text(mended.replace('        "large logits": Case(t_q=6, t_k=3, lift=200.0),\n', ""))
    folder = tmp_path / "small"
    for name in ("overflowing_softmax", "forgot_the_scale"):
        classroom.put(folder / "submissions", {f"{name}/31.py": classroom.wrong(31, name)})
    classroom.put(folder / "submissions", {"right/31.py": classroom.right(31)["einsum"], "unread/31.py": b""})
    classroom.begun(folder / "results")

    def graded(*words, code=0) -> str:
        return classroom.run(
            course,
            folder / "mark",
            folder / "submissions",
            "--out",
            folder / "results",
            "--problems",
            "31",
            *words,
            code=code,
        )[0]

    def statuses() -> dict[str, str]:
        rows = classroom.rows(json.loads(graded("--json")))
        return {row["student"]: " ".join(filter(None, (row["status"], row["mistake"]))) for row in rows}

    was = {
        "forgot_the_scale": "failed forgot_the_scale",
        "overflowing_softmax": "passed",
        "right": "passed",
        "unread": "failed",
    }
    assert statuses() == was
    assert "there is nothing to grade again" in graded("--regrade")
    checks.write_text(mended)
    assert "some verdicts were given by other checks than those of now; --regrade shows what would change\n" in graded()
    shown = graded("--regrade")
    assert "waiting for --accept or --discard: 3 proposed verdicts\n" in graded()
    assert f"grading\n{PROPOSED}" in shown
    assert (
        f"no grade has changed. python -m grader class … --out {folder / 'results'} --accept lets the new verdicts "
        f"count, --discard forgets them\n" in shown
    )
    assert statuses() == was
    assert "3 proposed verdicts forgotten\n" in graded("--discard")
    graded("--regrade")
    assert "3 proposed verdicts accepted\n" in graded("--accept")
    assert statuses() == was | {"overflowing_softmax": "failed overflowing_softmax"}
    assert "there is nothing to grade again" in graded("--regrade")


PROPOSED = """graded again: 3 verdicts; for 2 of them something would change
student              problem  status           points       mistake
forgot_the_scale     31       failed           0.24 → 0.21  forgot the scale
overflowing_softmax  31       passed → failed  1 → 0.75     none → overflowing softmax
"""


# What stops a run.


@pytest.fixture
def small(tmp_path) -> Path:
    """A class of twelve that is not graded yet."""
    folder = tmp_path / "small"
    classroom.put(
        folder / "submissions", {f"{name}/31.py": classroom.wrong(31, name) for name in classroom.SAMPLE[31][:6]}
    )
    # which keeps a core for long
    classroom.put(
        folder / "submissions",
        {f"right_{style}/31.py": answer for style, answer in classroom.right(31).items() if style != "loops"},
    )
    classroom.put(folder / "submissions", {"hostile_detached_child/31.py": classroom.HOSTILE["detached_child"]})
    classroom.begun(folder / "results")
    return folder


def asked(folder: Path) -> list:
    return [folder / "submissions", "--out", folder / "results", "--problems", "31"]


def gone(folder: Path, pids: list[int]) -> None:
    """Sees that nothing of some runs is left. What the kernel ends takes a moment."""
    deadline = time.monotonic() + 60
    while (left := classroom.processes(folder / "mark")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == {}
    assert [group for pid in pids for group in classroom.groups(pid)] == []


def test_kill_at_any_moment_and_go_on(small):
    """A run that is killed with -9 leaves no process behind, and what it had graded is kept; the last run ends with the
    expected gradebook, and with nothing left."""
    pids, kept = [], 0
    for done in (0, 0, 3, 6, 9):
        run = classroom.start(ROOT, small / "mark", *asked(small))
        pids.append(run.pid)
        while run.poll() is None and classroom.recorded(small) < done:
            time.sleep(0.05)
        time.sleep(random.uniform(0, 3) if not done else random.uniform(0, 0.5))
        run.kill()
        run.communicate()
        assert classroom.recorded(small) >= kept
        kept = classroom.recorded(small)
        deadline = time.monotonic() + 60
        while classroom.processes(small / "mark") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert classroom.processes(small / "mark") == {}
    report = json.loads(classroom.run(ROOT, small / "mark", *asked(small), "--json")[0])
    assert classroom.unlike(classroom.rows(report), classroom.expected_of(small)) == []
    assert (report["kept"], report["graded"]) == (kept, 12 - kept) and classroom.recorded(small) == 12
    gone(small, pids)


def test_ctrl_c(small):
    """Ctrl-C ends the run at once with a sentence and 130, with nothing left; the same command goes on."""
    run = classroom.start(ROOT, small / "mark", *asked(small))
    while run.poll() is None and classroom.recorded(small) < 2:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    printed, said = run.communicate()
    assert (run.returncode, printed.splitlines()[-1], said) == (130, "grading", f"\n{STOPPED}\n")
    gone(small, [run.pid])
    kept = classroom.recorded(small)
    assert 2 <= kept < 12
    report = json.loads(classroom.run(ROOT, small / "mark", *asked(small), "--json")[0])
    assert classroom.unlike(classroom.rows(report), classroom.expected_of(small)) == []
    assert (report["kept"], report["graded"]) == (kept, 12 - kept)
    gone(small, [run.pid])


# What is wrong with the command, the course or the machine.


def refused(capsys, *words) -> str:
    """What the command says that ends with 2, in a line."""
    assert main(["class", *map(str, words)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


@pytest.fixture
def one(tmp_path) -> Path:
    """A class of one, who is right."""
    classroom.put(tmp_path / "submissions", {"ada/31.py": classroom.right(31)["einsum"]})
    return tmp_path / "submissions"


def test_where_the_results_may_lie(one, tmp_path, capsys):
    """Not among the submissions, not in a file, not among other things."""
    assert (
        refused(capsys, one, "--out", one / "results")
        == f"grader: the results would lie among the submissions: name a folder outside of {one}\n"
    )
    assert (
        refused(capsys, one, "--out", one)
        == f"grader: the results would lie among the submissions: name a folder outside of {one}\n"
    )
    (tmp_path / "file").touch()
    assert (
        refused(capsys, one, "--out", tmp_path / "file")
        == f"grader: {tmp_path / 'file'} is a file; the results need a folder\n"
    )
    classroom.put(tmp_path, {"full/thesis.txt": b"mine"})
    assert (
        refused(capsys, one, "--out", tmp_path / "full")
        == f"grader: {tmp_path / 'full'} holds something that is no gradebook; name an empty folder, or one that an "
        f"earlier run wrote\n"
    )
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"] and [
        path.name for path in one.iterdir()
    ] == ["ada"]


def test_what_the_command_gets_wrong(one, tmp_path, capsys):
    """A problem, a limit, a roster or a folder that is not there is told before anything is computed or written."""
    out = tmp_path / "out"
    assert (
        refused(capsys, one, "--out", out, "--problems", "99")
        == f"grader: there is no problem '99'; there are {', '.join(map(str, PROBLEMS))}\n"
    )
    assert (
        refused(capsys, one, "--out", out, "--problems", "31", "--without", "gravity")
        == "grader: there is no limit 'gravity'; there are files, network, strangers, processes, memory, disk\n"
    )
    assert (
        refused(capsys, tmp_path / "nowhere", "--out", out)
        == f"grader: there is no folder {tmp_path / 'nowhere'}: name the folder of submissions\n"
    )
    assert (
        refused(capsys, one, "--out", out, "--roster", tmp_path / "none.csv")
        == f"grader: the roster {tmp_path / 'none.csv'} cannot be read: No such file or directory\n"
    )
    (tmp_path / "two.csv").write_text("Student,ID,Section,HW (1),HW (2)\nada,1,A,,\n")
    assert (
        refused(capsys, one, "--out", out, "--roster", tmp_path / "two.csv", "--assignment", "HW")
        == "grader: two columns of the roster are called 'HW': name one with its number, such as 'HW (1)'\n"
    )
    assert refused(capsys, one, "--out", out, "--cores", "0") == "grader: --cores is at least 1\n"
    assert not out.exists()


def test_the_courses_own_fault(course, one, tmp_path):
    """Where the reference is broken no student is blamed: the command ends with 2 and says what is broken, and the next
    one grades."""
    reference = course / "solutions/31_sdpa/reference.py"
    whole = reference.read_text()
    reference.write_text("import nothing_of_that_name\n")
    classroom.begun(tmp_path / "results")
    words = (one, "--out", tmp_path / "results", "--problems", "31")
    _, said = classroom.run(course, tmp_path / "mark", *words, code=2)
    assert (
        said
        == "grader: 31_sdpa/reference.py does not import: ModuleNotFoundError: No module named 'nothing_of_that_name'\n"
    )
    reference.write_text(whole)
    assert "grading\n1 verdict given\n" in classroom.run(course, tmp_path / "mark", *words)[0]


def test_a_submission_that_is_taken_away(one, tmp_path):
    """Its grade stays in the file that the system imports, and nobody is counted twice."""
    classroom.put(one, {"alan/31.py": classroom.right(31)["einsum"]})
    (tmp_path / "roster.csv").write_text(
        'Student,ID,SIS Login ID,Section,Attention (7)\n"Lovelace, Ada",1,ada,A,\n"Turing, Alan",2,alan,A,\n'
    )
    classroom.begun(tmp_path / "results")

    def graded() -> tuple[dict, list[str], list[str]]:
        words = (
            "--out",
            tmp_path / "results",
            "--problems",
            "31",
            "--roster",
            tmp_path / "roster.csv",
            "--assignment",
            "Attention",
            "--json",
        )
        report = json.loads(classroom.run(ROOT, tmp_path / "mark", one, *words)[0])
        canvas, grades = (
            [*csv.reader(io.StringIO((tmp_path / f"results/{name}.csv").read_text("utf-8-sig")))]
            for name in ("canvas", "grades")
        )
        return report, [row[-1] for row in canvas], [row[-1] for row in grades]

    report, column, flags = graded()
    assert column == ["Attention (7)", "100", "100"] and flags == ["flags", "", ""]
    shutil.rmtree(one / "ada")
    after, same, flags = graded()
    assert (
        same == column
        and after["students"] == report["students"]
        and flags == ["flags", "no longer among the submissions", ""]
    )
    assert "of 2 students handed in" in (tmp_path / "results/report.html").read_text()


# A machine without bubblewrap.


@pytest.fixture
def mark():
    with classroom.reachable() as folder:
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="a user of its own needs root")
def test_without_bubblewrap(one, tmp_path, mark):
    """The limits that the machine cannot give are named, with what was seen and how to go on. With each of them waived
    the others stay: a right answer passes, an endless loop is stopped, and nothing is left."""
    classroom.put(
        one,
        {"loop/31.py": classroom.HOSTILE["loops_in_a_handler"], "reads/31.py": classroom.HOSTILE["reads_solutions"]},
    )
    classroom.begun(tmp_path / "results")
    (tmp_path / "bin").mkdir()
    words, path = (one, "--out", tmp_path / "results", "--problems", "31"), dict(PATH=str(tmp_path / "bin"))
    printed, said = classroom.run(ROOT, mark, *words, code=2, **path)
    shut = walls.closed(None)  # Python may stand in root's own home, where no other user can run it
    assert printed.endswith(f"nothing is graded anew\n{TRYING}\n") and (
        f"a user of its own cannot read what is in {shut}" in said if shut else said == LACKING
    )
    missing = [line.split(":")[0].strip() for line in said.splitlines() if line.startswith("  ")]
    report = json.loads(
        classroom.run(
            ROOT, mark, *words, "--json", *(word for name in missing for word in ("--without", name)), **path
        )[0]
    )
    assert {row["student"]: row["status"] for row in classroom.rows(report)} == {
        "ada": "passed",
        "loop": "failed",
        "reads": "failed",
    } and report["waived"] == sorted(missing)
    page = (tmp_path / "results/report.html").read_text()
    assert f"This machine could not give every limit, and these were waived: {', '.join(sorted(missing))}." in page
    with Gradebook(tmp_path / "results" / NAME, write=False) as book:
        lines = {grade.student: told(grade.verdict) for grade in book.grades()}
        assert all(grade.under.waived == tuple(sorted(missing)) for grade in book.grades())
    assert "still running" in lines["loop"] and "values of the output differ" in lines["reads"]
    assert classroom.processes(mark) == {} and [*mark.iterdir()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a user of its own needs root")
def test_kill_without_bubblewrap(one, tmp_path, mark):
    """Without namespaces, which would end it, a submission that sleeps for ever is ended all the same when its run is
    killed."""
    classroom.put(one, {"sleeps/31.py": classroom.HOSTILE["sleeps"]})
    classroom.begun(tmp_path / "results")
    (tmp_path / "bin").mkdir()
    run = classroom.start(
        ROOT,
        mark,
        one,
        "--out",
        tmp_path / "results",
        "--problems",
        "31",
        "--without",
        "network",
        "--without",
        "disk",
        PATH=str(tmp_path / "bin"),
    )
    while run.poll() is None and classroom.recorded(tmp_path) < 1:  # ada's, while the other sleeps
        time.sleep(0.05)
    run.kill()
    run.communicate()
    deadline = time.monotonic() + 60
    while classroom.processes(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert classroom.processes(mark) == {}


TRYING = "trying each limit of the sandbox"
LACKING = """grader: this machine cannot give every limit that untrusted submissions need:
  network: it reaches no network and no socket of another process; but here it can send UDP packets (bubblewrap is not installed: `sudo apt install bubblewrap`)
  disk: its files together have a bounded size; but here it can fill the disk with files (bubblewrap is not installed: `sudo apt install bubblewrap`)
To go on without, say so: --without network --without disk. The other limits stay.
"""  # noqa: E501
