"""Two mistakes at once, where no single one explains an attempt; and where no two do either, the one that explains how
it begins.

A mistake is a function of the reference, so that one can be made in what another gave. Which two may have been made is
told by what each does alone: neither changes a call that is right, together they change every one that is wrong, and
what only one of them changes is as that one has it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.course.calls import Call, is_float
from grader.course.verdict import Named, Outcome
from grader.judge.diagnose import explains
from grader.key.compare import compare
from grader.key.key import Answer, KnownMistake

MOST = 120  # pairs that are composed for one attempt
SEEN = 3  # different wrong values, from which on an outcome is nobody's by chance

Compose = Callable[[Sequence[tuple[int, int, Sequence[int]]]], Mapping[tuple[int, int], Mapping[int, Outcome]]]


@dataclass(frozen=True)
class Seen:
    """What an attempt gave on the ladder, the calls that every mistake has an outcome for: which of them are
    `wrong`."""

    ladder: list[Call]
    outcomes: Mapping[int, Outcome]
    answers: Mapping[int, Answer]
    wrong: list[int]

    def explained_by(self, theirs: Mapping[int, Outcome], ids: Sequence[int]) -> bool:
        return all(id in theirs and explains(theirs[id], self.outcomes[id], self.answers[id]) for id in ids)

    def is_telling(self, id: int) -> bool:
        """Whether the values are such that hardly anything but the same mistake has them too."""
        mine, answer = self.outcomes[id], self.answers[id].outcome
        if mine.failure or answer.failure or mine.leaves.keys() != answer.leaves.keys():
            return False
        return any(
            is_float(array) and len(np.unique(array[np.isfinite(array)])) >= SEEN for array in mine.leaves.values()
        )


def seen_in(calls: Sequence[Call], outcomes: Mapping[int, Outcome], answers: Mapping[int, Answer]) -> Seen | None:
    """What is seen of an attempt, or None where some of it never came back."""
    ladder = [call for call in calls if call.check.kind in ("parameters", "eager") and call.id in answers]
    if any(call.id not in outcomes for call in ladder):
        return None
    return Seen(
        ladder, outcomes, answers, [call.id for call in ladder if _is_wrong(outcomes[call.id], answers[call.id])]
    )


def pairs_in(seen: Seen, mistakes: Sequence[KnownMistake], compose: Compose) -> list[tuple[KnownMistake, KnownMistake]]:
    """Every two mistakes that together give what is seen. `mistakes` are all of the bank; `compose` is told of pairs by
    their places in it, the second made in what the first gave, and tells what came of it where it can. Two that never
    change the same call show each alone."""
    ids = [call.id for call in seen.ladder]
    likely = _likely(seen, mistakes)
    tried = _composed(compose, {pair: [probe] for pair, probe in likely.items() if probe is not None})
    left = [
        pair
        for pair, probe in likely.items()
        if probe is None or any(seen.explained_by(came, [probe]) for came in tried[pair])
    ]
    whole = _composed(compose, dict.fromkeys(left, ids))
    found = [
        pair
        for pair in left
        if any(seen.explained_by(came, ids) for came in whole[pair]) or likely[pair] is None and not whole[pair]
    ]
    named = {frozenset(mistakes[place].name for place in pair): pair for pair in reversed(found)}
    return [tuple(mistakes[place] for place in pair) for pair in reversed(named.values())]


def in_all(pairs: Sequence[tuple[KnownMistake, KnownMistake]]) -> KnownMistake | None:
    """The one mistake that every pair has in common: of several pairs none can be told, but that one."""
    shared = {known.name for known in pairs[0]} if pairs else set()
    for pair in pairs:
        shared &= {known.name for known in pair}
    return next((known for known in pairs[0] if shared == {known.name}), None) if shared else None


def _composed(
    compose: Compose, wanted: Mapping[tuple[int, int], Sequence[int]]
) -> dict[tuple[int, int], list[Mapping[int, Outcome]]]:
    """What came of each pair, in either order, where anything did."""
    orders = {pair: (pair, pair[::-1]) for pair in wanted}
    told = compose([(*order, ids) for pair, ids in wanted.items() for order in orders[pair]]) if wanted else {}
    return {pair: [came for order in orders[pair] if (came := told.get(order))] for pair in wanted}


def _likely(seen: Seen, mistakes: Sequence[KnownMistake]) -> dict[tuple[int, int], int | None]:
    """The pairs that may have been made, by their places, the likeliest first; each with a call that both change, on
    which to try it, where there is one."""
    changed = {}
    for place, known in enumerate(mistakes):
        if known.outcomes.keys() >= {*seen.wrong}:
            mine = {
                call.id
                for call in seen.ladder
                if call.id in known.outcomes and _is_wrong(known.outcomes[call.id], seen.answers[call.id])
            }
            if mine and mine <= {*seen.wrong}:
                changed[place] = mine
    alone = {
        place: {id for id in mine if seen.explained_by(mistakes[place].outcomes, [id])}
        for place, mine in changed.items()
    }
    found = {}
    for one, other in itertools.combinations(changed, 2):
        mine, others = changed[one], changed[other]
        if (
            _together(mistakes[one], mistakes[other])
            and mine | others == {*seen.wrong}
            and mine - others <= alone[one]
            and others - mine <= alone[other]
        ):
            shared = [id for id in seen.wrong if id in mine & others]
            found[one, other] = next(filter(seen.is_telling, shared), shared[0] if shared else None), len(mine ^ others)
    likely = sorted(found.items(), key=lambda item: -item[1][1])[:MOST]
    return {pair: probe for pair, (probe, _) in likely}


def _together(one: KnownMistake, other: KnownMistake) -> bool:
    return one.name != other.name and not (one.about and one.about == other.about)


def beginning_of(
    seen: Seen, calls: Sequence[Call], mistakes: Sequence[KnownMistake], broken: Mapping[int, bool]
) -> Named | None:
    """The one mistake that explains the first failing case, and changes none that is right; and the first case that it
    does not explain."""
    cases = [call for call in seen.ladder if call.id in seen.wrong and call.check.kind == "eager"]
    if not cases or cases[0].id != seen.wrong[0] or not seen.is_telling(cases[0].id):
        return None
    right = [call.id for call in seen.ladder if call.id not in seen.wrong]
    fitting = [
        known
        for known in mistakes
        if all(id in known.outcomes and not _is_wrong(known.outcomes[id], seen.answers[id]) for id in right)
    ]
    for call in cases:
        closer = [known for known in fitting if seen.explained_by(known.outcomes, [call.id])]
        if not closer:
            break
        fitting = closer
    if not fitting or len({known.name for known in fitting}) > 1:
        return None
    return begun_by(fitting[0], seen, calls, broken)


def begun_by(known: KnownMistake, seen: Seen, calls: Sequence[Call], broken: Mapping[int, bool]) -> Named | None:
    """A mistake that explains the first failing case, and the first that it does not explain."""
    first = next((call for call in seen.ladder if call.id in seen.wrong), None)
    if first is None or first.check.kind != "eager" or not seen.explained_by(known.outcomes, [first.id]):
        return None
    rest = next(
        (
            call
            for call in calls
            if broken.get(call.id) and call.id in known.outcomes and not _agrees(seen, known, call.id)
        ),
        None,
    )
    return (
        Named(
            known.name,
            known.sentence,
            first.check.case,
            rest.check.case + f" · {rest.check.kind}" * (rest.check.kind != "eager"),
        )
        if rest
        else None
    )


def _agrees(seen: Seen, known: KnownMistake, id: int) -> bool:
    return id in seen.outcomes and explains(known.outcomes[id], seen.outcomes[id], seen.answers.get(id))


def _is_wrong(outcome: Outcome, answer: Answer) -> bool:
    return compare(answer.outcome, outcome, answer.allowed) is not None
