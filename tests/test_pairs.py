"""Which two mistakes explain an attempt that no single one does, and which one explains its beginning."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from grader.authors.reference import _asks
from grader.course.calls import Call, calls_for
from grader.course.verdict import Check, EntryVerdict, Failure, Named, Outcome, Status
from grader.judge.diagnose import diagnose
from grader.judge.pairs import beginning_of, begun_by, in_all, pairs_in, seen_in
from grader.key.answers import Answers
from grader.key.key import Answer, KnownMistake
from grader.report import words
from grader.run.evaluate import Evaluation
from tests.conftest import PROBLEMS

CALLS = [
    Call(0, Check("f", "eager", "one")),
    Call(1, Check("f", "eager", "two")),
    Call(2, Check("f", "eager", "three")),
    Call(3, Check("f", "grad", "three")),
]
RIGHT = {id: np.arange(4.0, dtype="float32") + id for id in range(4)}
ANSWERS = {id: Answer(Outcome("array", {"": array}), {"": 1e-6}) for id, array in RIGHT.items()}


def outcomes(**changes) -> dict[int, Outcome]:
    """The right answers but for what is changed: `one=3` multiplies the values of that call by 3."""
    factors = {CALLS[["one", "two", "three"].index(case)].id: factor for case, factor in changes.items()}
    return {id: Outcome("array", {"": array * np.float32(factors.get(id, 1))}) for id, array in RIGHT.items()}


def mistake(name, about="", **changes) -> KnownMistake:
    return KnownMistake(
        name, "f", f"{name}.", {id: outcome for id, outcome in outcomes(**changes).items() if id < 3}, about
    )


def pair(attempt, *mistakes, composed=()) -> set[str] | None:
    """The names of the pair; `composed` is what pairs give together, by places."""
    found = pairs_in(seen_in(CALLS, attempt, ANSWERS), mistakes, lambda wanted: dict(composed))
    return {known.name for known in found[0]} if len(found) == 1 else None


TWICE, THRICE = mistake("twice", one=2, two=2), mistake("thrice", two=3, three=3)


def test_a_pair_is_named_when_one_made_in_the_other_gives_what_came():
    """What only one of them changes is as that one has it, and what both change as they do together."""
    assert pair(outcomes(one=2, two=6, three=3), TWICE, THRICE, composed={(0, 1): outcomes(one=2, two=6, three=3)}) == {
        "twice",
        "thrice",
    }
    assert pair(outcomes(one=2, two=6, three=3), TWICE, THRICE, composed={(1, 0): outcomes(one=2, two=6, three=3)}) == {
        "twice",
        "thrice",
    }, "in either order"
    assert (
        pair(outcomes(one=2, two=7, three=3), TWICE, THRICE, composed={(0, 1): outcomes(one=2, two=6, three=3)}) is None
    )


def test_without_their_composition_a_pair_is_named_where_it_never_meets():
    """A key that holds no compositions still has both alone."""
    apart = mistake("apart", three=3)
    assert pair(outcomes(one=2, two=2, three=3), TWICE, apart) == {"twice", "apart"}
    assert pair(outcomes(one=2, two=6, three=3), TWICE, THRICE) is None
    assert (
        pair(outcomes(one=2, two=2, three=3), TWICE, apart, composed={(0, 1): outcomes(one=2, two=9, three=3)}) is None
    ), "together they give something else"


def test_a_mistake_that_changes_what_is_right_was_not_made():
    """Nor is a pair named that leaves a wrong call unexplained."""
    assert pair(outcomes(one=2, three=3), TWICE, mistake("apart", three=3)) is None
    assert pair(outcomes(one=2, two=2, three=3), TWICE, mistake("none")) is None


def test_two_pairs_that_nothing_tells_apart_are_none():
    """A name says what the outcomes show, and no more; two forms of one mistake are one name."""
    apart, other = mistake("apart", three=3), mistake("other", three=3)
    assert pair(outcomes(one=2, two=2, three=3), TWICE, apart, other) is None
    assert pair(outcomes(one=2, two=2, three=3), TWICE, apart, mistake("apart", three=3)) == {"twice", "apart"}


def test_two_mistakes_about_the_same_thing_are_never_made_at_once():
    """Whoever divides by the width has not forgotten to divide."""
    assert pair(outcomes(one=2, three=3), mistake("one", "scale", one=2), mistake("other", "scale", three=3)) is None
    assert pair(outcomes(one=2, three=3), mistake("one", "scale", one=2), mistake("other", "mask", three=3)) == {
        "one",
        "other",
    }


def test_an_attempt_that_was_cut_short_is_left_alone():
    """A call that never came back leaves everything open."""
    assert seen_in(CALLS, {0: outcomes()[0]}, ANSWERS) is None


def beginning(attempt, *mistakes) -> Named | None:
    return beginning_of(seen_in(CALLS, attempt, ANSWERS), CALLS, mistakes, dict.fromkeys(range(4), True))


def test_the_first_failing_case_is_explained_where_nothing_explains_it_all():
    """The mistake is named with what it explains and what it does not."""
    assert beginning(outcomes(one=2, two=2, three=9), TWICE) == Named("twice", "twice.", "one", "three")
    assert beginning(outcomes(one=2, two=9, three=9), TWICE) == Named("twice", "twice.", "one", "two")


def test_a_beginning_that_several_explain_is_told_apart_by_what_follows():
    """Where nothing tells them apart, none is named."""
    other = mistake("other", one=2, two=5)
    assert beginning(outcomes(one=2, two=2, three=9), TWICE, other).name == "twice"
    assert beginning(outcomes(one=2, two=9, three=9), TWICE, other) is None


def test_a_beginning_is_no_guess():
    """A mistake that changes what is right, or does not explain the very first failing case, says nothing; nor does
    NaN, which anything can give."""
    assert beginning(outcomes(one=2, three=9), TWICE) is None
    assert beginning(outcomes(one=7, two=2, three=9), TWICE) is None
    assert beginning(outcomes(one=np.nan, two=9), mistake("odd", one=np.nan)) is None
    failed = Outcome(failure=Failure("TypeError", (), "no"))
    assert (
        beginning(outcomes(two=9) | {0: failed}, KnownMistake("raises", "f", "", outcomes(two=1) | {0: failed})) is None
    )


def test_what_several_pairs_have_in_common_is_told_as_a_beginning():
    """Where two pairs explain everything, and share a mistake, that one is told; where they share none, nothing is."""
    other = mistake("other", two=3, three=3)
    attempt = outcomes(one=2, two=6, three=3)
    seen = seen_in(CALLS, attempt, ANSWERS)
    pairs = pairs_in(seen, [TWICE, THRICE, other], lambda wanted: {(0, 1): attempt, (0, 2): attempt})
    assert [{known.name for known in pair} for pair in pairs] == [{"twice", "thrice"}, {"twice", "other"}]
    assert in_all(pairs) == TWICE
    assert begun_by(TWICE, seen, CALLS, dict.fromkeys(range(3), True)) == Named("twice", "twice.", "one", "two")
    assert in_all([(TWICE, other), (THRICE, other), (TWICE, THRICE)]) is None and in_all([]) is None


def test_what_is_known_is_told_in_plain_words():
    """A pair by both sentences; a beginning with the case that it explains and one that it does not."""
    both = EntryVerdict("f", Status.FAILED, mistake="forgot_it", sentence="So.", second=Named("lost_it", "Or so."))
    assert words.diagnosis(both) == ("two things: forgot it, and lost it", ("So.", "Or so."))
    some = EntryVerdict("f", Status.FAILED, partly=Named("forgot_it", "So.", "one key", "large logits"))
    assert words.diagnosis(some) == (
        "perhaps: forgot it",
        (
            "At ‘one key’, the first case that fails, yours gives what this mistake gives: So.",
            "At ‘large logits’ it gives something else: it may be another mistake, or not the only one.",
        ),
    )
    assert words.diagnosis(EntryVerdict("f", Status.FAILED))[0] == ""


@pytest.mark.parametrize(
    "make, asks", [(lambda ref, q: ref(q), True), (lambda ref, q: [ref(x) for x in q], True), (lambda ref, q: q, False)]
)
def test_a_mistake_that_does_not_ask_the_reference_is_made_in_no_other(make, asks):
    """It would only give once more what it gives alone."""
    assert _asks(make) == asks


def test_pairs_of_the_bank_are_named_as_what_they_are():
    """Of a sample of two mistakes of 31 at once nearly all are named, by one that explains them alone or by both; and
    what is named as a pair is that pair."""
    problem = PROBLEMS[31]
    calls = calls_for(problem.entries)
    with Answers(problem, calls) as answers:
        answers.expected()
        bank, key = answers.mistakes(), answers.key
        ids = [call.id for call in calls if call.check.kind == "eager"]
        pairs = [
            pair
            for pair in itertools.permutations(range(len(bank)), 2)
            if not (bank[pair[0]].about and bank[pair[0]].about == bank[pair[1]].about)
        ]
        sample = [pair for pair in random.Random(0).sample(pairs, 40) if answers.composed([(*pair, ids)]).get(pair)]
        named = 0
        for one, other in sample:
            attempt = dict(key.pairs[one, other])
            if diagnose("sdpa", attempt, key.answers, bank, dict.fromkeys(ids, True)):
                named += 1
            elif len(found := pairs_in(seen_in(calls, attempt, key.answers), bank, answers.composed)) == 1:
                assert {known.name for known in found[0]} == {bank[one].name, bank[other].name}
                named += 1
    assert len(sample) >= 10 and named >= 0.9 * len(sample)


def test_two_mistakes_in_a_file_are_both_told(attempt):
    """A softmax over the queries, of scores without their scale."""
    verdict = attempt("import jax\ndef sdpa(q, k, v):\n    return jax.nn.softmax(q @ k.T, axis=0) @ v\n")
    (found,) = verdict.entries
    assert (found.mistake, found.second.name) == ("forgot_the_scale", "softmax_over_queries")


STYLES = [
    ("by_hand", " / math.sqrt(k.shape[1])", "", "forgot_the_scale"),
    ("by_hand", "math.sqrt(k.shape[1])", "k.shape[1]", "divided_by_the_width"),
    ("by_hand", " - jnp.max(scores, axis=1, keepdims=True)", "", "overflowing_softmax"),
    ("einsum", "softmax(scores)", "softmax(scores, axis=0)", "softmax_over_queries"),
    ("einsum", "** -0.5", "** 0.5", "multiplied_by_the_scale"),
    ("loops", "jnp.sqrt(q.shape[1])", "jnp.sqrt(len(k))", "scale_of_the_length"),
    ("loops", "weights = weights / weights.sum()", "pass", "never_normalised"),
]


@pytest.mark.thorough
def test_a_mistake_in_another_style_is_named():
    """Whoever writes einsums or loops makes the same mistakes, and none of them is named as another."""
    problem = PROBLEMS[31]
    calls = calls_for(problem.entries)
    eager = [call for call in calls if call.check.kind == "eager" and not call.variant]
    with Answers(problem, calls) as answers:
        answers.expected()
        bank, known = answers.mistakes(), answers.key.answers
    for style, right, wrong, name in STYLES:
        text = (problem.solutions / "right" / f"{style}.py").read_text(encoding="utf-8")
        written, outcomes = {}, {}
        exec(text.replace(right, wrong), written)
        assert right in text
        Evaluation(
            written.get, lambda error: Failure(type(error).__name__, (), ""), lambda c, o: outcomes.update({c.id: o})
        ).run(eager)
        assert diagnose("sdpa", outcomes, known, bank, dict.fromkeys(outcomes, True)).name == name
