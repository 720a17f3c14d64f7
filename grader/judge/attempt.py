"""What came back from the workers of one file: outcomes, how they ended, and what was printed on the way. Nothing of it
is trusted to be well formed.

A call that is stopped, or ends its worker, takes no other with it: what can still be run is run by another worker.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from grader.course.calls import Call
from grader.course.verdict import MOST, Outcome, word
from grader.process.child import Ended, Limits, Process
from grader.process.wire import plain

WORKERS = 4  # at most, for one file
ENDED = ("timeout", "memory", "signal", "exit")  # how a call ends its worker, and not the attempt
CLOCK = ("timeout", "starved")
OTHERS = ("starved", "flood", "results")  # how an attempt ends, in a call
PATIENCE = 3.0  # seconds until it is told what is going on


@dataclasses.dataclass(frozen=True)
class Stop:
    """How a call ended its worker, and where. One that is not `sure` stands for all that were compiled or run together
    with it."""

    ended: Ended
    lines: tuple[tuple[int, str, str], ...] = ()
    sure: bool = True


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What workers sent before they ended. `stage` is the transform and the calls that were under way in the last one,
    `ended` and `lines` are how and where it ended; `stops` are the calls at which one did; `carried` are programs, by
    the first call about each."""

    outcomes: dict[int, Outcome]
    messages: dict
    stage: tuple[str, tuple[int, ...]] | None
    ended: Ended
    lines: tuple[tuple[int, str, str], ...] = ()  # where it was stuck, or crashed
    prints: tuple[tuple[str, str], ...] = ()  # where, and what
    carried: dict[int, tuple[dict, dict]] = dataclasses.field(default_factory=dict)
    stops: dict[int, Stop] = dataclasses.field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        """Whether the clock kept some of it from coming back."""
        return any(
            ended.how in CLOCK
            for ended in (self.ended, *(stop.ended for id, stop in self.stops.items() if id not in self.outcomes))
        )


def attempted(
    worker: Process,
    source: str,
    calls: list[Call],
    *,
    last: bool = True,
    beside: Process | None = None,
    once_more: Callable[[list[int], Limits, bool], Process] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Attempt:
    """What the worker answers, and the one `beside` it, and what others answer about the calls that they did not come
    to.

    `once_more` starts another one, which is asked the calls with these ids, within limits, and singly where some that
    were compiled together ended a worker. Those like the one that was stopped come last.
    """
    attempt, worker = both(worker, beside, source, calls, last, progress)
    by_id, faults = {call.id: call for call in calls}, []
    for _ in range(WORKERS - 1 if once_more else 0):
        limits, ids = worker.limits.left(worker.clock, worker.granted), [id for id in _ended_it(attempt) if id in by_id]
        left = [
            call
            for call in calls
            if call.id not in attempt.outcomes and not (call.id in attempt.stops and attempt.stops[call.id].sure)
        ]
        faults += [(by_id[ids[0]].check.entry, by_id[ids[0]].transform)] if ids else []
        if not left or not faults or not ids and attempt.ended.how != "finished" or min(limits.work, limits.total) <= 0:
            break
        given_up = {entry for entry, _ in faults if len({fault for fault in faults if fault[0] == entry}) > 1}
        others = [
            call
            for call in left
            if (call.check.entry, call.transform) not in faults and call.check.entry not in given_up
        ]
        worker = once_more([call.id for call in others or left], limits, not others)
        try:
            again = listen(worker, source, calls, True, progress)
        finally:
            worker.kill()
        if again.ended.how == "forged" or "found" in again.messages:
            attempt = _joined(attempt, again, calls)
        if "found" not in again.messages:
            break  # this time it did not come through its import
    return attempt


def both(
    worker: Process, beside: Process | None, source: str, calls: list[Call], last: bool, progress: Callable[[str], None]
) -> tuple[Attempt, Process]:
    """What two workers answer that run at the same time, as one attempt, and the one of them that ended as it did."""
    if beside is None:
        return listen(worker, source, calls, last, progress), worker
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(listen, beside, source, calls, last, progress)
        try:
            one = listen(worker, source, calls, last, progress)
            if "found" not in one.messages:
                return one, worker
            other = there.result()
        finally:
            beside.kill()
    if "found" not in other.messages and other.ended.how != "forged":  # it imported here, and there it did not
        return dataclasses.replace(one, ended=other.ended, lines=other.lines), beside
    came_through = other.ended.how == "finished" and not _ended_it(other)
    joined = _joined(other, one, calls) if came_through else _joined(one, other, calls)
    return joined, worker if came_through else beside


def _ended_it(attempt: Attempt) -> tuple[int, ...]:
    """The calls of which one ended the last worker."""
    if attempt.ended.how in ENDED and attempt.stage and attempt.stops:
        return tuple(id for id in attempt.stage[1] if id not in attempt.outcomes)
    last = next(reversed(attempt.outcomes.items()), None)
    if attempt.ended.how == "finished" and last and last[1].failure and last[1].failure.exhausting:
        return last[:1]  # a worker that has no memory or stack left says no more
    return ()


def _joined(one: Attempt, other: Attempt, calls: list[Call]) -> Attempt:
    return dataclasses.replace(
        other,
        outcomes=one.outcomes | other.outcomes,
        messages=one.messages,
        prints=_printed(one, other, calls),
        carried=other.carried | one.carried,
        stops=other.stops | one.stops,
    )


def _printed(one: Attempt, other: Attempt, calls: list[Call]) -> tuple[tuple[str, str], ...]:
    """Equal texts once, where they were printed first in the course's order."""
    places = {place: number for number, place in reversed([*enumerate(["import", *map(_place, calls), "end"])])}
    found = {}
    for where, text in sorted((*one.prints, *other.prints), key=lambda printed: places[printed[0]]):
        found.setdefault(text, where)
    return tuple((where, text) for text, where in found.items())


def listen(
    worker: Process, source: str, calls: list[Call], last: bool, progress: Callable[[str], None] = lambda text: None
) -> Attempt:
    """What one worker says. Student code can write into the channel too: what no worker would send ends the run, and
    more of it than a worker would."""
    outcomes, messages, stage, carried, left = {}, {}, None, {}, 4 * len(calls) + 100
    signs = 2 * worker.limits.total  # one a second, on a machine that lets others wait
    asked = {call.id: call for call in calls}
    going_on = _GoingOn(asked, progress)
    frames = worker.frames(last, going_on.tell)
    while True:
        try:
            message, arrays = next(frames)
        except StopIteration as stop:
            ended, lines = stop.value, _source_line(stop.value.line, source)
            under_way = [id for id in stage[1] if id in asked and id not in outcomes] if stage else []
            stops = (
                {under_way[0]: Stop(ended, lines, sure=len(under_way) == 1)}
                if under_way and ended.how in (*ENDED, *OTHERS)
                else {}
            )
            return Attempt(outcomes, messages, stage, ended, lines, _prints(worker.prints, calls), carried, stops)
        left -= 1
        try:
            if "started" in message:
                stage = (word(message["started"][0]), tuple(map(int, message["started"][1][: len(calls) + 1])))
                going_on.began(stage)
            elif message == {"compiling": True}:
                left, signs = left + 1, signs - 1
                going_on.compiles()
            elif "outcome" in message and message["outcome"] not in outcomes:
                outcomes[message["outcome"]] = _outcome(asked[message["outcome"]], message, arrays)
            elif "carried" in message and message["carried"] not in carried:
                carried[asked[message["carried"]].id] = message, arrays
            elif "found" in message and not messages:
                messages["found"] = {word(name): _found(found) for name, found in message["found"].items()}
            elif "import failed" in message and not messages:
                messages["import failed"] = Outcome(
                    failure=Outcome.from_wire({"failure": message["import failed"]["failure"]}, {}).failure
                )
            elif message != {"done": True}:
                left = 0
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError):
            left = 0
        if left <= 0 or signs <= 0:
            worker.kill()
            return Attempt(outcomes, messages, stage, Ended("forged"), prints=_prints(worker.prints, calls))


class _GoingOn:
    """Tells what a worker is at, when that takes long: each thing once."""

    def __init__(self, calls: dict[int, Call], progress: Callable[[str], None]):
        self.calls, self.progress, self.said = calls, progress, set()
        self.began(None)

    def began(self, stage: tuple[str, tuple[int, ...]] | None) -> None:
        self.stage, self.since, self.compiled = stage, time.monotonic(), 0.0

    def compiles(self) -> None:
        self.compiled = time.monotonic()

    def tell(self) -> None:
        if not self.stage or time.monotonic() - self.since < PATIENCE:
            return
        ids = [id for id in self.stage[1] if id in self.calls]
        what = f"‘{self.calls[ids[-1]].check.case}’ ({self.calls[ids[-1]].check.kind})" if ids else "the file"
        doing = "compiling" if time.monotonic() - self.compiled < PATIENCE else "running" if ids else "importing"
        text = f"{doing} {what}, which takes long"
        if text not in self.said:
            self.said.add(text)
            self.progress(text)


def _outcome(call: Call, message, arrays) -> Outcome:
    """What a call gave. A claim about a program is answered by facts, and by nothing else."""
    outcome = Outcome.from_wire(message, arrays)
    kind = outcome.structure[0] if isinstance(outcome.structure, list) else ""
    if not outcome.failure and (call.transform == "proof") != (kind == "facts"):
        raise ValueError("facts of a call that asks for none, or none of one that does")
    if kind == "variables" and call.transform not in ("parameters", "state") or kind == "change":
        raise ValueError("what the call does not ask for")
    return outcome


def _found(found: dict) -> dict:
    """What a worker says stands under a name, in the types that it has to have."""
    if "missing" in found:
        return {"missing": [word(name) for name in found["missing"][:MOST]]}
    if "not callable" in found:
        return {"not callable": word(found["not callable"])}
    parameters = (
        {"parameters": [(word(name), word(kind), bool(default)) for name, kind, default in found["parameters"][:MOST]]}
        if "parameters" in found
        else {}
    )
    return {"callable": bool(found["callable"]), **parameters}


def _source_line(number: int | None, source: str) -> tuple[tuple[int, str, str], ...]:
    lines = source.splitlines()
    return ((number, "", lines[number - 1].strip()),) if number and number <= len(lines) else ()


def _prints(text: str, calls) -> tuple[tuple[str, str], ...]:
    """What was printed, by the call in which it was printed; equal texts once."""
    # the stack that a stuck worker printed
    text = re.split(r"Fatal Python error: |(?:Current thread|Thread) 0x", text)[0]
    parts = re.split("\x1e(-?\\d{1,9})\x1e", text)
    names = {call.id: _place(call) for call in calls} | {-1: "import", -2: "end"}
    # these only say again what was said
    found, seen, repeated = [], set(), {call.id for call in calls if call.transform == "again"}
    told = [(int(id), plain(body).strip("\n")) for id, body in zip(["-1", *parts[1::2]], parts[::2])]
    # tracing runs ahead of most eager calls
    for id, body in sorted(told, key=lambda part: part[0] if part[0] != -2 else len(calls)):
        if body.strip() and body not in seen and id not in repeated:
            seen.add(body)
            found.append((names.get(id, "import"), body))
    return tuple(found)


def _place(call: Call) -> str:
    return f"{call.check.kind} · {call.check.case}"
