"""A folder becomes a Problem: its number, title, hints, signatures, entries, and what is said when a part is broken."""

from __future__ import annotations

import sys

import pytest

from grader.course import problem as problems
from grader.course.cases import Case, Function, mistake
from grader.course.problem import CourseError, Problem, discover, load, mistakes, read

STUB = '''"""No title here."""
from jaxtyping import Array, Bool, Float

SIZE = 3

def masked(q: Float[Array, "T_q d"], /, n: int, *, causal: bool = False) -> Bool[Array, "T_q T_k"]:
    def inner(never): ...
    raise NotImplementedError

def unannotated(x, *rest, **more):
    raise NotImplementedError

class Layer:
    def __init__(self, d_model: int, *, rngs):
        raise NotImplementedError

    def __call__(self, x: Float[Array, "... T d"]) -> Float[Array, "... T d_model"]:
        raise NotImplementedError

class Bare:
    pass
'''


@pytest.fixture
def track(tmp_path):
    """A track of one problem, made from texts: `track(stub=..., checks=...)`."""

    def made(*, number=7, slug="small_thing", solutions=True, stub=STUB, **files) -> Problem:
        folder = tmp_path / "problems" / f"{number:02}_{slug}"
        folder.mkdir(parents=True)
        (folder / ".stub.py").write_text(stub)
        names = dict(readme="README.md", hints="hints.md", checks="checks.py")
        for part, text in files.items():
            (folder / names[part]).write_text(text, encoding="utf-8")
        if solutions:
            (tmp_path / "solutions" / folder.name).mkdir(parents=True)
        (found,) = discover(tmp_path)
        return found

    return made


def test_folders_are_found_by_their_names_in_order_of_number(tmp_path):
    """Every folder named NN_topic is a problem, sorted by number and not by text; nothing else is."""
    for name in ("10_ten", "9_nine", "100_hundred", "draft", "8-eight", "7_Upper", "_6", "5_"):
        (tmp_path / "problems" / name).mkdir(parents=True)
    (tmp_path / "problems" / "4_a_file").write_text("")
    assert [(found.number, found.slug, found.name) for found in discover(tmp_path)] == [
        (9, "nine", "9_nine"),
        (10, "ten", "10_ten"),
        (100, "hundred", "100_hundred"),
    ]


@pytest.mark.parametrize("there", [True, False])
def test_the_instructors_half_is_there_or_not(track, tmp_path, there):
    """A problem knows its folder under solutions/, and None in a checkout that lacks it."""
    assert track(solutions=there).solutions == (tmp_path / "solutions" / "07_small_thing" if there else None)


def test_a_checkout_without_problems_is_the_courses_fault(tmp_path):
    """Without a problems/ folder, discover says so in a CourseError that names the place."""
    with pytest.raises(CourseError) as caught:
        discover(tmp_path)
    assert str(caught.value) == f"there is no problems/ folder in {tmp_path}"


@pytest.mark.parametrize(
    "readme, title",
    [
        ("# 31 · Scaled dot-product attention\n\n# Second\n", "Scaled dot-product attention"),
        ("intro\n#   Attention, plainly  \n", "Attention, plainly"),
        ("# 3·Three\n", "Three"),
        ("# 32 heads\n", "32 heads"),
        ("## no first-level heading\n", "small thing"),
        ("#hashtag\n", "small thing"),
    ],
)
def test_the_title_is_the_first_heading_without_its_number(track, readme, title):
    """The title is the lesson's first-level heading less its number; without one it is made of the folder's name."""
    assert track(readme=readme).title == title


def test_a_problem_without_a_lesson_or_hints_has_a_title_and_no_hints(track):
    """A missing README.md or hints.md is no error."""
    found = track()
    assert (found.title, found.hints, found.part) == ("small thing", [], "")


@pytest.mark.parametrize(
    "checks, part",
    [
        ('import numpy\n\nPART = "The core"\n', "The core"),
        ("ENTRIES = []\n", ""),
        ('raise ValueError\nPART = "Long sequences"', "Long sequences"),
    ],
)
def test_the_part_of_the_track_is_read_off_the_checks(track, checks, part):
    """checks.py says which part a problem belongs to, and need not be run for it."""
    assert track(checks=checks).part == part


def test_hints_are_the_sections_in_order(track):
    """Each `## ` section of hints.md is a hint; its heading, what stands before the first and deeper headings start
    none."""
    found = track(
        hints="# Hints\nnot a hint\n## A nudge\nLook.\n\n### deeper\nCloser.\n## The rest\n\nAll of it: `x ## y`.\n"
    )
    assert found.hints == ["Look.\n\n### deeper\nCloser.", "All of it: `x ## y`."]


def test_names_and_signatures_are_read_off_the_shipped_stub(track):
    """Top-level functions and classes are the names; their arguments come in order, keyword-only ones too, `self`, `*`
    and `**` not."""
    found = track()
    assert found.names == ["masked", "unannotated", "Layer", "Bare"]
    assert found.signatures == {
        "masked": ["q", "n", "causal"],
        "unannotated": ["x"],
        "Layer": ["d_model", "rngs"],
        "Bare": [],
    }


def test_returned_shapes_are_read_off_the_annotations(track):
    """The shape is the text in the return annotation, a class's that of `__call__`; what has none is left out."""
    assert track().returns == {"masked": "T_q T_k", "Layer": "... T d_model"}


def test_signatures_are_read_without_running_the_stub(track):
    """A stub that would fail at import has its signatures read all the same."""
    assert track(stub="raise SystemExit\ndef f(a, b): ...\n").signatures == {"f": ["a", "b"]}


@pytest.mark.parametrize("stub, needs", [("from flax import nnx\n", True), ("import jax\n", False)])
def test_flax_is_needed_where_the_stub_speaks_of_nnx(track, stub, needs):
    """Only a problem whose stub uses nnx makes the worker import flax beforehand."""
    assert track(stub=stub).needs_flax is needs


def test_entries_are_what_checks_declares(track):
    """ENTRIES of checks.py, in its order."""
    found = track(
        checks="from grader.course import Case, Function\n"
        "ENTRIES = tuple(Function(n, dict, cases={'c': Case(t=1, under=['eager'])}) for n in 'ba')\n"
    )
    assert [entry.name for entry in found.entries] == ["b", "a"]
    assert isinstance(found.entries[0], Function) and found.entries[0].relations == ()
    assert (found.entries[0].cases["c"].sizes, found.entries[0].cases["c"].under) == ({"t": 1}, ("eager",))


def test_a_case_is_tried_under_every_transform_unless_it_says_otherwise():
    """`Case()` applies to eager, jit, vmap and grad."""
    assert Case(length=1).under == ("eager", "jit", "vmap", "grad")


BROKEN = {
    "checks.py is missing": (None, "07_small_thing/checks.py is missing"),
    "no ENTRIES": ("x = 1\n", "07_small_thing/checks.py declares no ENTRIES"),
    "empty ENTRIES": ("ENTRIES = []\n", "07_small_thing/checks.py declares no ENTRIES"),
    "it raises": ("1 / 0\n", "07_small_thing/checks.py does not import: ZeroDivisionError: division by zero"),
    "it is no Python": (
        "def (\n",
        "07_small_thing/checks.py does not import: SyntaxError: invalid syntax (checks.py, line 1)",
    ),
    "it imports what is not there": (
        "import nowhere_at_all\n",
        "07_small_thing/checks.py does not import: ModuleNotFoundError: No module named 'nowhere_at_all'",
    ),
}


@pytest.mark.parametrize("checks, message", BROKEN.values(), ids=BROKEN)
def test_broken_checks_are_the_courses_fault(track, checks, message):
    """A checks.py that is missing, empty or broken is a CourseError that names the file and the cause."""
    found = track(**({} if checks is None else dict(checks=checks)))
    with pytest.raises(CourseError) as caught:
        found.entries
    assert str(caught.value) == message


def test_a_missing_shipped_stub_is_the_courses_fault(track):
    """Without .stub.py nothing can be asked of the student; the CourseError names the file."""
    found = track()
    found.pristine.unlink()
    for ask in (lambda: found.names, lambda: found.returns, lambda: found.needs_flax, lambda: read(found.pristine)):
        with pytest.raises(CourseError) as caught:
            ask()
        assert str(caught.value) == "cannot read 07_small_thing/.stub.py: No such file or directory"


def test_importing_a_part_of_the_course_leaves_no_bytecode_and_the_setting_as_it_was(track):
    """A checkout is not littered with __pycache__, and Python's own setting is put back, after a failure too."""
    before = sys.dont_write_bytecode
    found = track(checks="ENTRIES = [1]\n")
    load(found.folder / "checks.py", "checks_of_a_test")
    (found.folder / "checks.py").write_text("1 / 0\n")
    with pytest.raises(CourseError):
        load(found.folder / "checks.py", "checks_of_a_test")
    assert sys.dont_write_bytecode == before and not (found.folder / "__pycache__").exists()


BANK = '''
from grader.course.cases import mistake

def helper():
    """No mistake."""

@mistake
def first(ref, q):
    """A sentence over
    two lines."""

@mistake("other")
def second(ref, q):
    """Another."""

@mistake
def third(ref): ...
'''


def test_the_bank_lists_mistakes_in_order_with_their_sentences(tmp_path):
    """What `mistake` marks is listed in the file's order: its name, its entry if it says one, and its docstring as one
    line."""
    path = tmp_path / "mistakes.py"
    path.write_text(BANK)
    assert [(known.name, known.entry, known.sentence) for known in mistakes(path)] == [
        ("first", None, "A sentence over two lines."),
        ("second", "other", "Another."),
        ("third", None, ""),
    ]


def test_a_marked_function_is_still_the_function():
    """`mistake` marks and does not wrap."""

    def wrong(ref, q):
        return ref, q

    assert mistake(wrong) is wrong and mistake("name")(wrong) is wrong and wrong.is_mistake_of == "name"


def test_two_mistakes_may_be_one_misconception(tmp_path):
    """They have one name, each its own sentence and its own id."""
    path = tmp_path / "mistakes.py"
    path.write_text(
        'from grader.course import mistake\n@mistake("f")\ndef lost(ref, x):\n    """Lost."""\n    return ref(0 * x)\n'
        '@mistake("g", misconception="lost")\ndef g_lost(ref, x):\n    """Lost in g."""\n    return ref(0 * x)\n'
    )
    assert [(known.id, known.name, known.entry, known.sentence) for known in mistakes(path)] == [
        ("lost", "lost", "f", "Lost."),
        ("g_lost", "lost", "g", "Lost in g."),
    ]


def test_a_mistake_of_several_forms_is_listed_once_for_each(tmp_path):
    """Each form is made with its own value, has an id of its own, and has the name and the sentence of the first."""
    path = tmp_path / "mistakes.py"
    path.write_text(
        'from grader.course import mistake\n@mistake("f", number=(-10.0, -1000.0))\ndef small(ref, x, *, '
        'number=-100.0):\n    """Too small."""\n    return ref(x) + number\n'
    )
    bank = mistakes(path)
    assert [(known.id, known.name, known.entry, known.sentence) for known in bank] == [
        ("small", "small", "f", "Too small."),
        ("small number=-10.0", "small", "f", "Too small."),
        ("small number=-1000.0", "small", "f", "Too small."),
    ]
    assert [known.make(float, 1.0) for known in bank] == [-99.0, -9.0, -999.0]


def test_the_content_of_a_key_is_checks_stub_reference_and_mistakes(track):
    """A key follows from these files, those of them that exist, and from no lesson, hint or student's file."""
    found = track(checks="", readme="", hints="")
    (found.folder / "stub.py").write_text("")
    (found.solutions / "reference.py").write_text("")
    assert [path.relative_to(found.folder.parents[1]).as_posix() for path in found.content()] == [
        "problems/07_small_thing/checks.py",
        "problems/07_small_thing/.stub.py",
        "solutions/07_small_thing/reference.py",
    ]


def test_the_course_is_found_from_anywhere_inside_it(tmp_path, monkeypatch):
    """From a folder inside a checkout that checkout is meant; elsewhere the one that the grader lies in."""
    inside = tmp_path / "course" / "problems" / "07_small_thing"
    inside.mkdir(parents=True)
    (tmp_path / "course" / "grader").mkdir()
    monkeypatch.chdir(inside)
    assert problems.course_root() == tmp_path / "course"
    monkeypatch.chdir(tmp_path)
    assert (problems.course_root() / "grader/course/problem.py").samefile(problems.__file__)


def test_the_shipped_stub_of_problem_31(sdpa):
    """The nouns of the simplest problem, as everything else sees them."""
    assert (sdpa.number, sdpa.name, sdpa.title) == (31, "31_sdpa", "Scaled dot-product attention")
    assert (sdpa.signatures, sdpa.returns, sdpa.needs_flax) == ({"sdpa": ["q", "k", "v"]}, {"sdpa": "T_q d_v"}, False)
    assert len(sdpa.hints) == 4 and all(sdpa.hints)
