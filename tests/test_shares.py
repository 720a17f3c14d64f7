"""Two workers make the calls of one attempt at the same time: what they answer is one attempt, whichever of them ends
before its end."""

from __future__ import annotations

import numpy as np

from grader.course.calls import Call, calls_for
from grader.course.verdict import Check
from grader.judge.attempt import attempted
from grader.judge.shares import shares
from grader.process.child import Ended, Limits
from grader.process.clock import Clock
from tests.conftest import PROBLEMS

CALLS = [Call(id, Check("f", kind, "case")) for id, kind in enumerate(("eager", "vmap", "jit", "grad"))]
FOUND = {"found": {"f": {"callable": True}}}


class Worker:
    """Answers the calls with these ids, prints the same at each import, and then ends in some way."""

    limits, granted = Limits(), 1 << 20

    def __init__(self, *ids, ended="finished", begins=FOUND, under_way=None, exhausted=None):
        self.clock, self.killed = Clock(), False
        self.prints = "hello\n" + "".join(f"\x1e{id}\x1ecall {id}\n" for id in ids)
        self.ended = Ended(ended)
        self.sent = [(begins, {})] + [({"outcome": id, "structure": "array"}, {"": np.ones(2)}) for id in ids]
        if under_way is not None:
            self.sent.append(({"started": ["jit", [under_way]]}, {}))
        if exhausted is not None:
            failure = ["MemoryError", [], "", []]
            self.sent.append(({"outcome": exhausted, "failure": failure}, {}))

    def frames(self, last, waiting):
        yield from self.sent
        return self.ended

    def kill(self):
        self.killed = True


def told(one, other, others=()):
    """The attempt, and which calls were asked of a third worker."""
    asked, others = [], [*others]

    def once_more(ids, left, singly):
        asked.append(ids)
        return others.pop(0)

    return attempted(one, "", CALLS, beside=other, once_more=once_more), asked


def test_each_call_is_made_by_one_of_them():
    """No call is left out or made twice, and each worker has some."""
    for problem in PROBLEMS.values():
        calls = calls_for(problem.entries)
        here, there = shares(calls)
        assert here and there and not here & there and here | there == {call.id for call in calls}, problem.name


def test_what_has_the_same_sizes_is_made_by_one_of_them():
    """One case under all its transforms, all cases of a program, a module's that is made alike, and all leaks: what
    serves one of them serves the others. Of what else there is both have their part."""
    for problem in PROBLEMS.values():
        calls = calls_for(problem.entries)
        here, _ = shares(calls)
        where: dict[tuple, set[bool]] = {}
        for call in calls:
            of = [call.check.case, call.program_key, *([repr(call.init)] if call.module else [])]
            for key in [(call.check.entry, key) for key in of] if call.transform != "leaks" else [("leaks",)]:
                where.setdefault(key, set()).add(call.id in here)
        assert {len(sides) for sides in where.values()} == {1}, problem.name
        eager = [call.id in here for call in calls if call.transform == "eager"]
        assert 0.2 < sum(eager) / len(eager) < 0.8, problem.name


def test_what_both_answer_is_one_attempt():
    """What each prints is told in the course's order, and what both print is told once: where it came first in that
    order, whoever was sooner."""
    one, other = Worker(1, 2), Worker(0, 3)
    other.prints += "\x1e0\x1esaid by both\n"
    one.prints += "\x1e2\x1esaid by both\n"
    attempt, asked = told(one, other)
    assert {*attempt.outcomes} == {0, 1, 2, 3} and attempt.ended.how == "finished" and not asked
    told_as = ["hello", "call 0", "said by both", "call 1", "call 2", "call 3"]
    assert [text for _, text in attempt.prints] == told_as and dict(map(reversed, attempt.prints))[told_as[2]][
        :5
    ] == "eager"
    assert other.killed


def test_where_the_file_does_not_import_nobody_waits_for_the_other():
    """That is told as it is of one worker."""
    failed = {"import failed": {"failure": ["NameError", [], "x", []]}}
    attempt, _ = told(Worker(begins=failed), Worker(begins=failed))
    assert "import failed" in attempt.messages and not attempt.outcomes


def test_a_call_that_ends_either_takes_no_other_with_it():
    """Whichever worker is stopped, a third makes the calls that it did not come to; the call itself is told."""
    for one, other, stopped, left in (
        (Worker(ended="timeout", under_way=0), Worker(2, 3), 0, [1]),
        (Worker(0, 1), Worker(ended="timeout", under_way=2), 2, [3]),
        (Worker(ended="signal", under_way=0), Worker(ended="timeout", under_way=2), None, [1, 3]),
    ):
        attempt, asked = told(one, other, [Worker(*left)])
        assert asked == [left] and {*attempt.outcomes} == {0, 1, 2, 3} - {0, 2} | ({0, 2} & {*attempt.outcomes})
        assert stopped is None or {*attempt.stops} == {stopped}


def test_a_worker_without_memory_left_says_no_more_wherever_it_is():
    """What it did not come to is made by a third."""
    for one, other, left in (
        (Worker(exhausted=0), Worker(2, 3), [1]),
        (Worker(0, 1), Worker(exhausted=2), [3]),
    ):
        attempt, asked = told(one, other, [Worker(*left)])
        assert asked == [left] and {*attempt.outcomes} == {0, 1, 2, 3}


def test_what_no_worker_would_send_ends_the_attempt_wherever_it_comes_from():
    """Either of them may have been taken over."""
    for one, other in ((Worker(0, ended="forged"), Worker(2, 3)), (Worker(0, 1), Worker(2, ended="forged"))):
        assert told(one, other)[0].ended.how == "forged"
    assert told(Worker(0, 1), Worker(begins={"no": "frame"}))[0].ended.how == "forged"
