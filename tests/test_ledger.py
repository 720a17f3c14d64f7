"""What was verified and has not changed costs nothing; what could have changed is verified."""

import io
import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest
from rich.console import Console

from grader.authors import ledger
from grader.authors.verify import verify
from grader.course.problem import CourseError, discover
from grader.student.cli import main
from tests.conftest import PROBLEMS, ROOT

FOUND = dict(checks=31, cases=7, right=5, mistakes=17, caught=17, named=17, tried=208)


def committed(folder) -> None:
    """Makes a repository of a folder, with all that is in it in one commit."""
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "as it is"],
    ):
        subprocess.run(["git", "-C", str(folder), *words], check=True)


@pytest.fixture
def copies(tmp_path) -> list:
    """A repository with three problems, each a copy of 31 under a number of its own."""
    for number in (31, 32, 33):
        for half in ("problems", "solutions"):
            shutil.copytree(
                getattr(PROBLEMS[31], "folder" if half == "problems" else "solutions"),
                tmp_path / half / f"{number}_copy",
                ignore=shutil.ignore_patterns("__pycache__"),
            )
    committed(tmp_path)
    return discover(tmp_path)


def test_what_has_not_changed_is_known(copies, monkeypatch):
    """A problem is known by its two folders, the rooms that decide and the versions: a change of any of them forgets
    it, and of no other problem."""
    for problem in copies:
        ledger.note(problem, FOUND)
    assert [ledger.recall(problem) for problem in copies] == [FOUND] * 3
    (copies[0].solutions / "right/by_hand.py").write_text("# changed\n")
    (copies[1].folder / "README.md").unlink()
    assert [ledger.recall(problem) for problem in copies] == [None, None, FOUND]
    monkeypatch.setattr(ledger.platform, "python_version", lambda: "3.99.0")
    assert ledger.recall(copies[2]) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"follows from": 1}', b"\xff"])
def test_a_torn_page_is_no_page(copies, content):
    """What cannot be read is verified again."""
    ledger.note(copies[0], FOUND)
    next((copies[0].folder.parents[1] / ".grader/ledger").iterdir()).write_bytes(content)
    assert ledger.recall(copies[0]) is None


def test_verify_says_what_it_did_not_do_again(copies):
    """The row of a problem that is known is from the earlier run, and says so; nothing is run for it."""
    for problem in copies:
        ledger.note(problem, FOUND)
    console = Console(file=io.StringIO(), width=200, highlight=False)
    assert verify(copies[0].folder.parents[1], copies, console) == 0
    assert console.file.getvalue().count("✓ as verified before") == 3 and "208" in console.file.getvalue()


def test_since_a_commit(copies):
    """A change of a problem concerns that one and a few others; one of the grader's rooms all; one of a page of the
    site only the few. Where there may be no more than so many, new ones come first, then those with a change of their
    own, and which of the others do is another matter at each commit."""
    root = copies[0].folder.parents[1]

    def git(*words):
        subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)

    def named(most=None, commit="HEAD"):
        return [problem.number for problem in ledger.changed_since(root, discover(root), commit, most)]

    def at_another_commit():
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "another")

    turns = [(at_another_commit(), named())[1] for _ in range(8)]
    assert sorted(turns) == [[], [], [], [], [], [31], [32], [33]]  # one in eight, another one at each commit
    while named():
        at_another_commit()
    (copies[2].folder / "hints.md").write_text("## Another\n")
    assert named() == [33]
    for path, everywhere in {"grader/classroom/run.py": False, "grader/run/evaluate.py": True}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
        git("add", ".")
        assert (named() == [31, 32, 33]) == everywhere
    assert named(1) == [33] and len(named(2)) == 2
    for half in ("problems", "solutions"):
        shutil.copytree(root / half / "31_copy", root / half / "34_new")
    git("add", ".")
    assert named() == [31, 32, 33, 34] and named(1) == [34] and named(2) == [33, 34]
    at_another_commit()
    alone = set()
    for _ in range(4):
        (root / "grader/run/evaluate.py").write_text(f"# {alone}")
        git("add", ".")
        alone.update(named(1))
        at_another_commit()
    assert alone == {31, 32, 33, 34}
    with pytest.raises(CourseError, match="what changed since nowhere cannot be told: fatal: "):
        named(commit="nowhere")


@pytest.mark.parametrize(
    "words, told",
    [
        (["--at-most", "5"], "--at-most is of what could have changed: add --since COMMIT"),
        (["--since", "HEAD", "--at-most", "0"], "--at-most takes 1 or more: of no problem nothing would be proved"),
    ],
)
def test_a_sample_of_nothing_is_refused(words, told, capsys):
    """An empty table says that everything holds together."""
    assert main(["verify", *words]) == 2 and told in capsys.readouterr().err


def test_tests_that_are_dear_go_through_a_few():
    """With `--since`, what is repeated for each problem is done for so many of them at most."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--since", "HEAD", "--at-most", "3"]
    done = subprocess.run(
        [*command, "tests/test_keys_against_oracles.py", "-k", "every_answer"], cwd=ROOT, capture_output=True, text=True
    )
    chosen = done.stdout.count("::test_every_answer_is_what_the_definition_gives[")
    assert 1 <= chosen <= 3, done.stdout + done.stderr


CHEAP = {  # what is done for each problem there is, since it takes a moment
    "tests/test_docs.py::test_links_lead_somewhere",
    "tests/test_pages.py::test_a_lesson_keeps_to_80_columns",
    "tests/test_pages.py::test_every_formula_of_every_lesson_is_read",
    "tests/test_pages.py::test_lessons_are_written_in_lines_that_fit",
    "tests/test_pages.py::test_narrow_code_is_the_same_program",
    "tests/test_publish.py::test_a_notebook_has_the_lesson_the_stub_and_the_hints",
    "tests/test_publish.py::test_the_notebooks_match_their_lessons",
    "tests/test_reference.py::test_solutions_import_no_student_code",
    "tests/test_similar.py::test_right_answers_are_alike_by_nature",
    "tests/test_unseen.py::test_claims_and_properties_hold_there_too",
    "tests/test_unseen.py::test_every_transform_is_tried_at_them",
    "tests/test_unseen.py::test_sizes_are_new_in_each_round",
    "tests/test_unseen.py::test_whoever_gets_other_inputs_has_a_prover",
}


@pytest.mark.thorough
def test_fifty_more_problems_are_fifty_more_of_what_takes_a_moment(tmp_path):
    """What CI runs grows with the track by nothing dear: of fifty copies of a problem no more than so many are tried in
    earnest, and each of the others adds a few tests of its text."""
    copy, most = tmp_path / "course", 3
    for part in ("grader", "problems", "solutions", "tests", "notebooks", "README.md", "pyproject.toml"):
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, copy / part)
        copy.mkdir(exist_ok=True)
    for number in range(901, 951):
        for half in ("problems", "solutions"):
            shutil.copytree(copy / half / PROBLEMS[31].name, copy / half / f"{number}_copy")
    committed(copy)
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-q", "--collect-only", "--everything"]
    done = subprocess.run(
        [*command, "--since", "HEAD", "--at-most", str(most)], cwd=copy, capture_output=True, text=True
    )
    of_copies = Counter(
        test.partition("[")[0] for test in done.stdout.splitlines() if re.search(r"\[.*\b9[0-5]\d(_copy)?\b", test)
    )
    each = {test for test, count in of_copies.items() if count > most}
    assert each == CHEAP, done.stdout[-2000:] + done.stderr
    assert sum(of_copies[test] for test in CHEAP) <= 50 * 25
