"""What came back from a worker: its outcomes, how it ended, and what was printed on the way. Nothing of it is trusted to be well formed."""

from __future__ import annotations

import dataclasses
import re

from grader.call import Call
from grader.sandbox import Ended, Process
from grader.verdict import MOST, Outcome, word
from grader.wire import plain


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What a worker sent before it ended. `stage` is the transform and the call that were under way; `carried` are programs, by the first call about each."""

    outcomes: dict[int, Outcome]
    messages: dict
    stage: tuple[str, int] | None
    ended: Ended
    lines: tuple[tuple[int, str, str], ...] = ()    # where it was stuck, or crashed
    prints: tuple[tuple[str, str], ...] = ()        # where, and what
    carried: dict[int, tuple[dict, dict]] = dataclasses.field(default_factory=dict)


def listen(worker: Process, source: str, calls: list[Call], last: bool) -> Attempt:
    """Student code can write into the channel too: what no worker would send ends the run, and more of it than a worker would."""
    outcomes, messages, stage, carried, left = {}, {}, None, {}, 4 * len(calls) + 100
    asked = {call.id: call for call in calls}
    frames = worker.frames(last)
    while True:
        try:
            message, arrays = next(frames)
        except StopIteration as stop:
            return Attempt(outcomes, messages, stage, stop.value, _source_line(stop.value.line, source), _prints(worker.prints, calls), carried)
        left -= 1
        try:
            if "started" in message:
                stage = (word(message["started"][0]), int(message["started"][1]))
            elif "outcome" in message and message["outcome"] not in outcomes:
                outcomes[message["outcome"]] = _outcome(asked[message["outcome"]], message, arrays)
            elif "carried" in message and message["carried"] not in carried:
                carried[asked[message["carried"]].id] = message, arrays
            elif "found" in message and not messages:
                messages["found"] = {word(name): _found(found) for name, found in message["found"].items()}
            elif "import failed" in message and not messages:
                messages["import failed"] = Outcome(failure=Outcome.from_wire({"failure": message["import failed"]["failure"]}, {}).failure)
            elif message != {"done": True}:
                left = 0
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError):
            left = 0
        if left <= 0:
            worker.kill()
            return Attempt(outcomes, messages, stage, Ended("forged"), prints=_prints(worker.prints, calls))


def _outcome(call: Call, message, arrays) -> Outcome:
    """What a call gave. A claim about a program is answered by facts, and by nothing else; that some are lacking is for others to say."""
    outcome = Outcome.from_wire(message, arrays)
    kind, told = outcome.structure if isinstance(outcome.structure, list) else ("", None)
    if not outcome.failure and (call.transform == "proof") != (kind == "facts") or kind == "facts" and "unproved" in told:
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
    parameters = {"parameters": [(word(name), word(kind), bool(default)) for name, kind, default in found["parameters"][:MOST]]} if "parameters" in found else {}
    return {"callable": bool(found["callable"]), **parameters}


def _source_line(number: int | None, source: str) -> tuple[tuple[int, str, str], ...]:
    lines = source.splitlines()
    return ((number, "", lines[number - 1].strip()),) if number and number <= len(lines) else ()


def _prints(text: str, calls) -> tuple[tuple[str, str], ...]:
    """What was printed, by the call in which it was printed; equal texts once."""
    text = re.split(r"Fatal Python error: |(?:Current thread|Thread) 0x", text)[0]      # the stack that a stuck worker printed
    parts = re.split("\x1e(-?\\d{1,9})\x1e", text)
    names = {call.id: f"{call.check.kind} · {call.check.case}" for call in calls} | {-1: "import", -2: "end"}
    found, seen, repeated = [], set(), {call.id for call in calls if call.transform == "again"}     # these only say again what was said
    told = [(int(id), plain(body).strip("\n")) for id, body in zip(["-1", *parts[1::2]], parts[::2])]
    for id, body in sorted(told, key=lambda part: part[0] if part[0] != -2 else len(calls)):      # tracing runs ahead of most eager calls
        if body.strip() and body not in seen and id not in repeated:
            seen.add(body)
            found.append((names.get(id, "import"), body))
    return tuple(found)
