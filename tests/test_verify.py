"""verify finds what is wrong with a problem, and new scaffolds one that verify finds fault with."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from grader.authors import proofread
from grader.authors.new import scaffold
from grader.authors.verify import stray_files, verify
from grader.course.problem import CourseError, discover

pytestmark = pytest.mark.thorough


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, highlight=False)


@pytest.fixture
def small(course) -> Path:
    """A course whose only problem is 31, with a bank small enough to verify quickly."""
    import shutil

    for half in ("problems", "solutions"):
        for folder in (course / half).iterdir():
            if not folder.name.startswith("31"):
                shutil.rmtree(folder)
    return course


def verified(course, console):
    code = verify(course, discover(course), console)
    return code, console.file.getvalue()


LOOP = "\n\ndef clear(rng):\n    while (drawn := rng.uniform()) < 2:\n        pass\n    return drawn\n"


def test_verify_names_each_fault(small, console):
    """A solved stub, a missing hint, a right style that fails, a mistake that is none, one that is another, a failing
    cell: each is told."""
    problem, solution = small / "problems/31_sdpa", small / "solutions/31_sdpa"
    (problem / "stub.py").write_text((solution / "reference.py").read_text())
    (problem / "hints.md").write_text("## One\nOnly this.\n")
    (problem / "checks.py").write_text((problem / "checks.py").read_text().replace("PART = ", "PARTS = ") + LOOP)
    (problem / "notes.txt").write_text("left over")
    for path in (solution / "right").glob("*.py"):
        path.unlink()
    (solution / "right/wrong.py").write_text("def sdpa(q, k, v):\n    return 2 * v\n")
    (solution / "mistakes.py").write_text(
        "from grader.course import mistake\n\n\n"
        "@mistake\ndef none(ref, q, k, v):\n    '''Nothing is wrong.'''\n    return ref(q, k, v)\n\n\n"
        "@mistake\ndef twice(ref, q, k, v):\n    '''The output is doubled.'''\n    return 2 * ref(q, k, v)\n\n\n"
        "@mistake(misconception='twice')\ndef once(ref, q, k, v):\n    '''Once.'''\n    return ref(q, k, v)\n\n\n"
        "@mistake\ndef twice_again(ref, q, k, v):\n    '''The output is doubled, too.'''\n    return ref(q, k, 2 * v)\n"
    )
    text = (problem / "README.md").read_text().replace("## Pitfalls", "```python\n1 / 0\n```\n\n## Pits")
    (problem / "README.md").write_text(text)
    code, out = verified(small, console)
    assert code == 2
    line = text[: text.index("1 / 0")].count("\n") + 1
    for fault in (
        "stray: problems/31_sdpa/notes.txt",
        "stub.py is not what .stub.py says: the stub is solved, or one of them was changed without the other",
        "hints.md has 1 hints; at least 3 are needed",
        "checks.py declares no PART, the part of the track that it belongs to",
        ": a loop may go on for ever; draw by drawn_until(holds, draw) of grader.course",
        "right/ has 1 solutions in other styles; at least 3 are needed",
        "mistakes.py has 4 mistakes; about ten are needed",
        "right/wrong.py does not pass: one key · eager: ",
        "mistake none is not caught",
        "mistake once is not caught",
        "mistake twice_again is named twice: ",
        "README.md has no section “Pitfalls”",
        "`1 / 0` fails: ZeroDivisionError: division by zero",
        f"README.md line {line} (",
    ):
        assert fault in out, out
    assert "31_sdpa" in out and "faults" in out


def test_a_scaffold_is_found_unfinished(small, console):
    """new writes both halves, and verify finds fault with each part until it is written."""
    assert scaffold(small, 41, "rope", console) == 0
    problem = next(p for p in discover(small) if p.number == 41)
    assert problem.names == ["rope"] and problem.title == "Rope"
    code = verify(small, [problem], console)
    out = console.file.getvalue()
    assert code == 2
    for fault in (
        "README.md has a TODO left",
        "hints.md has a TODO left",
        "reference.py has a TODO left",
        "mistakes.py has a TODO left",
        "at rope, one token · eager the reference fails: NotImplementedError: TODO\n",
        "\n8 faults\n",
        "right/ has 0 solutions in other styles",
    ):
        assert fault in out, out


@pytest.mark.parametrize(
    "number, topic, message",
    [
        (31, "again", "the number 31 is taken by 31_sdpa"),
        (41, "Big Rope", "'Big Rope' is no topic: use lower-case words joined by _"),
    ],
)
def test_new_refuses_what_would_collide(small, console, number, topic, message):
    """A number that is taken and a topic that is no name are refused, and nothing is written."""
    before = sorted(small.rglob("*"))
    with pytest.raises(CourseError, match=message):
        scaffold(small, number, topic, console)
    assert sorted(small.rglob("*")) == before


def test_strays_and_double_numbers_are_told(small):
    """A folder without its other half, a name that is no problem's, and a number used twice are faults."""
    (small / "problems/31_again").mkdir()
    (small / "solutions/32_gone").mkdir()
    (small / "problems/notes").mkdir()
    assert stray_files(small) == ["the number 31 is used 2 times", "stray: problems/notes", "stray: solutions/32_gone"]


@pytest.mark.parametrize(
    "shown, printed, same",
    [
        ("error 0.123\n", "error 0.1231\n", True),
        ("error 0.123\n", "error 0.2\n", False),
        ("nan 1e-3", "NaN 0.001", True),
        ("rows 3", "rows 3 4", False),
        ("a 1", "b 1", False),
    ],
)
def test_shown_output_is_held_against_what_a_cell_prints(shown, printed, same):
    """Words have to be equal, and numbers to within a percent."""
    assert proofread.same_output(shown, printed) is same


def test_the_real_course_has_no_strays():
    """The course as it stands has no file that belongs to no problem."""
    from tests.conftest import ROOT

    assert stray_files(ROOT) == []


def test_a_driver_is_no_stray(small):
    """What a problem brings to drive the student's names belongs to it."""
    (small / "problems/31_sdpa/driver.py").write_text(
        "def twice(names, q, k, v):\n    return names.sdpa(q, k, v), names.sdpa(q, k, v)\n"
    )
    assert stray_files(small) == []
