"""Points: what a verdict is worth, and the one place where weights stand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.classroom.arrivals.submission import Piece
from grader.classroom.book.points import MOST, Credit, credit, properties_of, shown
from grader.classroom.book.rules import Grading, read_grading
from grader.classroom.book.unread import unread
from grader.course.cases import TRANSFORMS
from grader.course.select import UsageError
from grader.course.verdict import EntryVerdict, Finding
from tests import made_up
from tests.conftest import PROBLEMS as COURSE
from tests.made_up import CASES, FAILED, NOT_WRITTEN, PASSED, PROPERTY, UNCHECKED

PROPERTIES = frozenset({("sdpa", PROPERTY), ("blockwise_attention", PROPERTY)})
CLAIM = ("proof", "no array is as large as all scores")


def of(failing=(), statuses=None, status=FAILED, **fields):
    """A verdict on problem 31 in which some checks fail."""
    return made_up.verdict(
        31, status, EntryVerdict("sdpa", status, made_up.findings("sdpa", failing, statuses)), **fields
    )


@pytest.mark.parametrize(
    "verdict",
    [
        made_up.untouched(),
        made_up.no_python(),
        of(status=NOT_WRITTEN),
        unread(COURSE[31], Piece(31, "stub.py", trouble="stub.py is empty")),
    ],
    ids=["untouched", "no Python", "not written", "unread"],
)
def test_nothing_to_judge_earns_nothing(verdict):
    """Untouched, not written, no Python and unreadable are 0, and nothing of it is left open."""
    assert credit(verdict) == Credit(0.0, 0.0) and not credit(verdict).open


def test_passed_is_all():
    """A pass is 1 exactly, and a total of passes the maximum exactly, whatever the weights."""
    assert credit(made_up.passed()) == Credit(1.0, 1.0)
    weights = {31: 0.1, 33: 0.2, 39: 0.7}
    assert Grading(weights, maximum=7.3).total(weights) == 7.3


def test_a_claim_or_the_whole_earns_nothing_for_a_wrong_program():
    """A program that is wrong in one plain call earns its values alone: being small, causal and traced once is no merit
    then."""
    wrong = [("eager", CASES[2])]
    with_claims = credit(of(wrong), PROPERTIES)
    without = credit(
        of([*wrong, CLAIM, ("eager", PROPERTY), ("jit", PROPERTY), ("traces", CASES[-1]), ("leaks", CASES[-1])]),
        PROPERTIES,
    )
    assert with_claims == without and with_claims.share == round(0.6 * 11 / 14, 2)


def test_a_constant_that_is_causal_earns_nothing():
    """Every value wrong is 0, whatever properties and claims hold."""
    assert credit(of([(kind, case) for kind in TRANSFORMS for case in CASES]), PROPERTIES).share == 0


def test_right_and_uneconomical_keeps_most():
    """Where everything holds but the claim, the claims' part is lost and no more."""
    assert credit(made_up.uneconomical(), PROPERTIES) == Credit(0.7, 0.7)


def test_a_wrong_gradient_keeps_what_it_got_right():
    """The forward pass is worth something without the gradient: each check of a value counts alike."""
    assert credit(of([("grad", case) for case in CASES]), PROPERTIES).share == round(0.6 * 11 / 14 + 0.4, 2)


def test_each_name_counts_alike():
    """A name with many checks is worth no more than one with few."""
    many = EntryVerdict("a", PASSED, made_up.findings("a"))
    none = EntryVerdict(
        "b",
        FAILED,
        (Finding(replace(many.findings[0].check, entry="b", kind="name"), FAILED, "the file defines no `b`"),),
    )
    assert credit(made_up.verdict(31, FAILED, many, none)).share == 0.5
    assert credit(made_up.verdict(31, FAILED, replace(many, status=NOT_WRITTEN), many)).share == 0.5


def test_what_could_not_be_checked_is_left_open():
    """A claim that could not be checked earns nothing yet, and the credit says what it might be worth; so does the
    course's own fault."""
    assert credit(made_up.unproved(), PROPERTIES) == Credit(0.7, 1.0)
    assert credit(made_up.at_fault()) == Credit(0.0, 1.0)


def test_what_a_failure_explains_is_not_left_open():
    """Checks that a crash or a wrong call kept from being made are lost."""
    cut_short = {(kind, case): UNCHECKED for kind in ("vmap", "grad") for case in CASES} | {CLAIM: UNCHECKED}
    found = credit(of([("jit", CASES[2])], cut_short), PROPERTIES)
    assert not found.open and found.share == round(0.6 * 7 / 14 + 0.1, 2)
    trouble = made_up.no_python().trouble
    assert not credit(of((), {("leaks", CASES[-1]): UNCHECKED}, UNCHECKED, trouble=trouble), PROPERTIES).open


def test_an_open_claim_beside_a_failure():
    """Where one name fails and the claim of another could not be checked, that claim stays open."""
    one = EntryVerdict("sdpa", FAILED, made_up.findings("sdpa", [("grad", CASES[0])]))
    other = EntryVerdict("other", UNCHECKED, made_up.findings("other", statuses={CLAIM: UNCHECKED}))
    found = credit(made_up.verdict(31, FAILED, one, other), PROPERTIES)
    assert found.open and found.possible == min(
        MOST, round((credit(made_up.verdict(31, FAILED, one), PROPERTIES).share + 1) / 2, 2)
    )


def test_all_or_nothing():
    """Without partial credit only a pass earns anything, and only what may yet be a pass is left open."""
    assert credit(made_up.uneconomical(), PROPERTIES, partial=False) == Credit(0.0, 0.0)
    assert credit(made_up.unproved(), PROPERTIES, partial=False) == Credit(0.0, 1.0)
    assert credit(made_up.passed(), partial=False) == Credit(1.0, 1.0)


CHECKS = [(f.check.kind, f.check.case) for f in made_up.findings("sdpa")]
OUTCOMES = st.lists(st.sampled_from([PASSED, FAILED, UNCHECKED]), min_size=len(CHECKS), max_size=len(CHECKS))


@given(OUTCOMES, st.integers(0, len(CHECKS) - 1))
def test_more_checks_are_never_worth_less(outcomes, which):
    """Credit lies from 0 to under 1, what is possible is not under it, and mending one check never costs anything."""

    def found(statuses):
        status = FAILED if FAILED in statuses else UNCHECKED
        return credit(of((), dict(zip(CHECKS, statuses)), status), PROPERTIES)

    mended = [PASSED if index == which else status for index, status in enumerate(outcomes)]
    assert 0 <= found(outcomes).share <= found(outcomes).possible <= 1 and found(outcomes).share <= MOST
    assert found(mended).share >= found(outcomes).share


def test_all_checks_passed_and_yet_no_pass():
    """A run that ends badly after its last check is not a pass, and so not 1."""
    assert credit(of(status=FAILED, trouble=made_up.no_python().trouble)).share == MOST


def test_properties_are_known_from_the_problem():
    """The cases of a verdict that are properties are those that the problem's checks call so."""
    assert {name for name, _ in properties_of(COURSE[33])} and properties_of(COURSE[31]) == frozenset()


@pytest.mark.parametrize(
    "points, told",
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.5, "0.5"),
        (2 / 3, "0.666667"),
        (0.168, "0.168"),
        (12345.678, "12345.678"),
        (100.0, "100"),
    ],
)
def test_points_are_shown_short(points, told):
    """At most six decimals, and no more digits than are needed."""
    assert shown(points) == told


# grading.toml

WRITTEN = """\
[weights]
31 = 1        # Scaled dot-product attention
33 = 1        # Causal masking
39 = 1        # Blockwise attention
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "grading.toml"


def read(path, problems=made_up.PROBLEMS):
    return read_grading(path, problems, made_up.PROBLEMS)


def test_the_first_run_writes_it(path):
    """It says what it is for, gives every problem the weight 1, and is read back as what it says."""
    assert read(path) == Grading({31: 1.0, 33: 1.0, 39: 1.0}, True, 100.0)
    assert path.read_text().startswith("# How verdicts become points.") and path.read_text().endswith(WRITTEN)


def test_what_the_instructor_wrote_is_kept(path):
    """Nothing is written where nothing is missing; a new problem is one line more, and all else is kept to the
    letter."""
    mine = "# mine\npartial = false\nmaximum=50\n[weights]\n31 = 2.5 # double\n 33=0"
    path.write_text(mine)
    assert read(path, made_up.PROBLEMS[:2]) == Grading({31: 2.5, 33: 0.0}, False, 50.0) and path.read_text() == mine
    assert read(path).weights == {31: 2.5, 33: 0.0, 39: 1.0}
    assert path.read_text() == f"{mine}\n39 = 1        # Blockwise attention\n"
    assert read(path, []).weights == {31: 2.5, 33: 0.0, 39: 1.0}


@pytest.mark.parametrize(
    "mine",
    [
        "[weights]\n31 = 3\n\n[late]\nper_day = 1\n",
        "[weights]\n31 = 3 # x\n33 = 1\n  [late]\n",
        "",
        "weights.31 = 3\n",
        "maximum = 20\nweights.31 = 3",
        "# nothing",
        "[weights]\n",
        '"weights"."31" = 3\r\n',
    ],
)
def test_however_it_is_written(path, mine):
    """A problem is added to any form of the table."""
    path.write_bytes(mine.encode())
    before = {31: 3.0} if "31" in mine else {31: 1.0}
    assert read(path).weights == before | {33: 1.0, 39: 1.0} == read(path).weights
    kept = iter(path.read_bytes().splitlines())
    assert all(line in kept for line in mine.encode().splitlines()), "every line is there still, in its order"


@pytest.mark.parametrize(
    "mine, told",
    [
        ("31 = ", "is no TOML at line 1, `31 =`: Invalid value"),
        (b"\xff\xfe", "is not text in UTF-8"),
        ("[weights]\n32 = 1", "gives a weight to '32', which is no problem of this course; there are 31, 33, 39"),
        ("[weights]\nsdpa = 1", "gives a weight to 'sdpa', which is no problem of this course; there are 31, 33, 39"),
        ("[weights]\n31 = -1", "gives problem 31 a weight that is no number from 0 up"),
        ("[weights]\n31 = true", "gives problem 31 a weight that is no number from 0 up"),
        ("[weights]\n31 = nan", "gives problem 31 a weight that is no number from 0 up"),
        (
            "weights = 3",
            "has weights that are no table; write [weights] and below it one line for each problem, such as 31 = 1",
        ),
        ("partial = 1", "says partial = something that is neither true nor false"),
        ("maximum = 0", "says maximum = something that is no number above 0"),
        ("maximum = inf", "says maximum = something that is no number above 0"),
        (
            "partal = true",
            "says `partal`, which means nothing here; there are partial, maximum, [late], [groups] and [weights]",
        ),
        (
            "weights = {31 = 1}",
            "says nothing of problem 33; add a line `33 = 1        # Causal masking` below [weights]",
        ),
    ],
)
def test_what_makes_no_sense(path, mine, told):
    """Is told in a sentence that names the file, which is left as it is."""
    path.write_bytes(mine if isinstance(mine, bytes) else mine.encode())
    before = path.read_bytes()
    with pytest.raises(UsageError) as error:
        read(path)
    assert str(error.value).startswith(f"{path} {told}") and path.read_bytes() == before


def test_a_weight_of_nothing_does_not_count():
    """A problem of weight 0 is graded and changes no total; with no weight at all the total is 0."""
    grading = Grading({31: 1.0, 33: 0.0})
    assert grading.total({31: 0.5, 33: 0.0}) == 50 and grading.total({31: 0.5, 33: 9.0}) == 50
    assert Grading({31: 0.0}).total({31: 0.0}) == 0 == Grading().total({})
