"""Which known mistake explains an attempt, and when none does."""

from __future__ import annotations

import numpy as np
import pytest

from grader.course.verdict import Failure, Outcome
from grader.judge.diagnose import diagnose
from grader.key.compare import compare
from grader.key.key import Answer, KnownMistake
from grader.process.wire import dtype_of


def array(values, dtype="float32") -> Outcome:
    return Outcome("array", {"": np.asarray(values, bool if dtype is bool else dtype_of(dtype))})


def raised(type="TypeError", message="no", bases=()) -> Outcome:
    return Outcome(failure=Failure(type, bases, message))


def mistake(name, outcomes, entry="f") -> KnownMistake:
    return KnownMistake(name, entry, "", outcomes)


ANSWERS = {0: Answer(array([1.0, 1.0]), {"": 1e-6}), 1: Answer(array([5.0, 5.0]), {"": 1e-6})}


def named(outcomes, *mistakes, broken=None, answers=ANSWERS, entry="f") -> str | None:
    broken = dict.fromkeys(outcomes, True) if broken is None else broken
    found = diagnose(entry, outcomes, answers, [*mistakes], broken)
    return found.name if found else None


TWICE = mistake("twice", {0: array([2, 2]), 1: array([10, 10])})


def test_an_attempt_that_agrees_on_every_call_is_named():
    """The mistake whose outcomes are the attempt's is the diagnosis."""
    assert named({0: array([2, 2]), 1: array([10, 10])}, TWICE) == "twice"


def test_one_call_that_disagrees_is_enough_to_be_another_mistake():
    """Agreement on all calls but one names nothing."""
    assert named({0: array([2, 2]), 1: array([10, 10.5])}, TWICE) is None


def test_the_closest_is_told_by_every_call_and_not_by_the_coarsest():
    """Of two that explain an attempt within rounding the one is named that is nearer where numbers are small, however
    far both are where they are large."""
    answers = {0: Answer(array([1.0, 1.0]), {"": 1e-6}), 1: Answer(array([5e6, 5e6]), {"": 100.0})}
    near, far = (mistake(name, {0: array([x, x]), 1: array([9e6, 9e6])}) for name, x in (("near", 2), ("far", 2.0001)))
    attempt = {0: array([2.000001, 2.000001]), 1: array([9e6 + 50, 9e6 + 50])}
    assert named(attempt, far, near, answers=answers) == named(attempt, near, far, answers=answers) == "near"


def test_a_right_attempt_is_not_named():
    """A mistake that agrees with the key on the calls that it is known for explains nothing, since no call of it is
    broken."""
    harmless = mistake("harmless", {0: array([1, 1])})
    assert named({0: array([1, 1]), 1: array([7, 7])}, harmless, broken={1: True}) is None


def test_a_mistake_may_be_right_on_some_calls():
    """It is named when the attempt is right where it is, and wrong as it is elsewhere."""
    half = mistake("half", {0: array([1, 1]), 1: array([9, 9])})
    assert named({0: array([1, 1]), 1: array([9, 9])}, half, broken={1: True}) == "half"
    assert named({0: array([2, 2]), 1: array([9, 9])}, half) is None


def test_rounding_does_not_hide_a_mistake():
    """A ten-thousandth of a mistake's size is the attempt's own way of computing; ten times more is another answer."""
    assert named({0: array([2.0001, 2]), 1: array([10, 10])}, TWICE) == "twice"
    assert named({0: array([2.001, 2]), 1: array([10, 10])}, TWICE) is None


@pytest.mark.parametrize("share, name", [(0.5, None), (0.7, None), (0.76, "near"), (1.0, "near"), (1.3, None)])
def test_an_attempt_between_the_right_answer_and_a_mistake_is_not_named(share, name):
    """However close the mistake lies to the right answer, an attempt must be at least three times nearer to the
    mistake."""
    answers = {0: Answer(array([10000.0]), {"": 1e-3})}
    near = mistake("near", {0: array([10000.5])})
    assert named({0: array([10000 + 0.5 * share])}, near, answers=answers) == name


def test_of_several_mistakes_the_closest_is_named():
    """Two mistakes that both agree within rounding are told apart by their distance, whatever their order."""
    close, closer = mistake("close", {0: array([2.0, 2])}), mistake("closer", {0: array([2.00015, 2])})
    attempt = {0: array([2.0001, 2])}
    assert named(attempt, close, closer) == named(attempt, closer, close) == "closer"


def test_of_two_mistakes_at_the_same_distance_the_first_is_named():
    """The bank's order decides between equals."""
    one, other = (mistake(name, {0: array([2, 2])}) for name in ("one", "other"))
    assert named({0: array([2, 2])}, one, other) == "one" and named({0: array([2, 2])}, other, one) == "other"


def test_a_mistake_of_another_name_is_not_considered():
    """A problem's names are diagnosed each by its own mistakes."""
    other = mistake("other", {0: array([2, 2])}, entry="g")
    assert named({0: array([2, 2])}, other) is None and named({0: array([2, 2])}, other, entry="g") == "other"


def test_a_mistake_without_outcomes_is_never_named():
    """What tells nothing explains nothing."""
    assert named({0: array([2, 2])}, mistake("silent", {})) is None


def test_an_attempt_that_was_cut_short_is_not_named():
    """A call that the mistake is known for and that never came back leaves the diagnosis open."""
    assert named({0: array([2, 2])}, TWICE) is None


@pytest.mark.parametrize(
    "mine, name", [([np.nan, 2], "odd"), ([2, np.nan], None), ([2, 2], None), ([np.inf, 2], None), ([np.nan, 3], None)]
)
def test_nan_stands_where_the_mistake_has_it(mine, name):
    """A mistake that gives NaN is named by NaN in the same places and agreement elsewhere."""
    assert named({0: array(mine)}, mistake("odd", {0: array([np.nan, 2])})) == name


@pytest.mark.parametrize(
    "mine, name",
    [
        (raised("TypeError", "got shape (3, 8)"), "raises"),
        (raised("TypeError", "got shape (17, 8)"), "raises"),
        (raised("TypeError", "something else"), None),
        (raised("ValueError", "got shape (3, 8)"), None),
        (array([1, 1]), None),
    ],
)
def test_failures_agree_by_type_and_words(mine, name):
    """An attempt that fails is named by a mistake that fails with the same type and the same words, but for numbers."""
    assert named({0: mine}, mistake("raises", {0: raised("TypeError", "got shape (5, 4)")})) == name


def test_failures_that_the_contract_asks_for_need_not_agree_in_words():
    """Where the key expects an error, the attempt's and the mistake's may say it each in its own way."""
    answers = {0: Answer(raised("ValueError", "d_model is 8"), {}), 1: ANSWERS[1]}
    wrong = mistake("wrong", {0: raised("ValueError", "not divisible"), 1: array([9, 9])})
    for words in ("not divisible", "my own words"):
        assert (
            named({0: raised("ValueError", words), 1: array([9, 9])}, wrong, answers=answers, broken={1: True})
            == "wrong"
        )
    assert named({0: raised("TypeError", "not divisible"), 1: array([9, 9])}, wrong, answers=answers) is None


@pytest.mark.parametrize(
    "theirs, mine, name",
    [
        (array([2, 2], "bfloat16"), array([2, 2], "bfloat16"), "other"),
        (array([2, 2], "bfloat16"), array([2, 2]), None),
        (array([[2, 2]]), array([[2, 2]]), "other"),
        (array([[2, 2]]), array([2, 2]), None),
        (Outcome("None"), Outcome("None"), "other"),
        (Outcome("None"), array([2, 2]), None),
        (
            Outcome(["tuple", ["array"]], {"[0]": np.ones(2, np.float32)}),
            Outcome(["tuple", ["array"]], {"[0]": np.ones(2, np.float32)}),
            "other",
        ),
    ],
)
def test_structure_shape_and_dtype_agree(theirs, mine, name):
    """A mistake of structure, shape or dtype is named by the same structure, shape and dtype."""
    assert named({0: mine}, mistake("other", {0: theirs})) == name


def test_a_mask_agrees_exactly():
    """Booleans are the mistake's or they are not."""
    answers = {0: Answer(array([True, False, False], bool), {})}
    flipped = mistake("flipped", {0: array([False, True, True], bool)})
    assert named({0: array([False, True, True], bool)}, flipped, answers=answers) == "flipped"
    assert named({0: array([False, True, False], bool)}, flipped, answers=answers) is None


def test_a_broken_property_is_a_broken_call():
    """Changed calls of a relation have no answer in the key; a mistake agrees there by its own outcomes, and is named
    if the property is broken."""
    leak = mistake("leak", {0: array([1, 1]), 7: array([3, 4])})
    attempt = {0: array([1, 1]), 7: array([3, 4])}
    assert named(attempt, leak, broken={7: True}) == "leak" and named(attempt, leak, broken={}) is None


def test_what_nearly_overflows_is_as_good_as_infinite_for_a_name_alone():
    """Two programs that let a huge number through, one of which rounds it to infinity, make the same mistake; to a
    verdict they are two answers."""
    leak = mistake("leak", {0: array([-np.inf, 2]), 1: array([10, 10])})
    attempt = {0: array([-1.4e38, 2]), 1: array([10, 10])}
    assert named(attempt, leak) == "leak"
    assert (
        named(attempt | {0: array([1.4e38, 2])}, leak) is None and named(attempt | {0: array([-1e36, 2])}, leak) is None
    )
    assert compare(leak.outcomes[0], attempt[0], {}) is not None
