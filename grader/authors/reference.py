"""Computes the answer key from `solutions/`, in a process of its own that never meets student code.

Each answer is computed in float64 and in the call's own dtype, at the inputs and at neighbours of them one rounding
away. The allowed error is 16 times the largest distance between the two, since one float32 answer can be lucky, and at
least `eps * error_scale(inputs)`, where the reference says how large its intermediate values are. What it computes in
float32 whatever comes in is a smaller part of a half-precision rounding: an `error_scale` with an argument `eps` is
told the one that it is multiplied by. What comes out in float32 may be made of what was rounded to half precision: with
an argument `inputs_eps` it is told that of the coarsest arguments and parameters.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import inspect
import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from grader.course.calls import DRAWS, Call, eps_of, is_float
from grader.course.cases import CLAIM_KINDS, Function, Mistake
from grader.course.problem import CourseError, discover, load, mistakes
from grader.course.settle import settle, settled
from grader.course.trees import parts_of
from grader.course.verdict import Check, Failure, Outcome, named_tuple_of_fields
from grader.key.compare import DRAWN, agree
from grader.key.key import Answer

VARIABLES = ("parameters", "state")  # checks that list a module's variables and compare no values
STAGES = (("parameters", "eager"), ("proof", "draws"), None)
NEIGHBOURS = 4
MARGIN = 16
# Each program that JAX has compiled holds some maps of memory, one with loops some dozens. Linux ends a process with
# more than 65530 of them; one bank on its own can come to that.
MANY_MAPS = 30_000


def main() -> None:
    """Reads a request and the calls, sends each answer, then each mistake's outcomes; or, as often as it is asked, what
    pairs of mistakes give."""
    from grader.process import wire
    from grader.process.child import end_with_parent
    from grader.program.settings import keep_compiled, set_up_jax

    end_with_parent()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr

    set_up_jax()
    order, _ = wire.receive(requests)
    calls = [Call.from_wire(*wire.receive(requests)) for _ in range(order["calls"])]
    calls = [
        dataclasses.replace(call, raises=raises, drawn=drawn)
        for call, raises, drawn in zip(calls, order["raises"], order["drawn"])
    ]
    known: dict[int, Answer] = {}
    for _ in range(order["answers"]):  # computed earlier, so that only the mistakes are asked for
        known |= Answer.from_wire(*wire.receive(requests))
    keep_compiled(order["cache"])

    def send(message, arrays=None):
        wire.send(answers, message, arrays)

    root = Path(order["root"])
    problem = next(p for p in discover(root) if p.number == order["problem"])
    if order["pairs"]:
        bank = _bank(problem, calls)
        while frame := wire.receive(requests):
            for one, other, ids in frame[0]["compose"]:
                send({"pair": [one, other]})
                for id, outcome in together(bank[one], bank[other], ids).items():
                    message, arrays = outcome.to_wire()
                    send({"outcome": id, **message}, arrays)
            send({"done": True})
        return
    if not known:
        known = answer_key(problem, calls)
        for id, answer in known.items():
            send(*answer.to_wire(id))
    send({"answered": len(known)})
    for mistake, outcomes in mistake_outcomes(problem, calls, known):
        send({"mistake": mistake.name, "entry": mistake.entry, "sentence": mistake.sentence, "about": mistake.about})
        for id, outcome in outcomes.items():
            message, arrays = outcome.to_wire()
            send({"outcome": id, **message}, arrays)
    send({"done": True})


def answer_key(problem, calls: list[Call]) -> dict[int, Answer]:
    """An Answer for every call but the changed ones of a relation, which are judged against the unchanged one, and of a
    proof, whose facts speak for themselves."""
    reference = load(problem.solutions / "reference.py", "reference")
    wanted = [call for call in calls if call.variant == "" and call.check.kind not in CLAIM_KINDS]
    plain, driver = _plain_calls(wanted), driver_of(problem)
    single = _run(lambda name: getattr(reference, name), [call for call, _ in plain], driver)
    double = _run(
        lambda name: getattr(reference, name),
        [call for call, _ in plain if call.check.kind not in VARIABLES and not call.keys and not call.drawn],
        driver,
        double=True,
    )
    scale = getattr(reference, "error_scale", None)

    together: dict[int, list] = {}
    for (call, (id, draw, neighbour)), number in zip(plain, range(len(plain))):
        together.setdefault(id, []).append((draw, neighbour, call, single[number], double.get(number)))
    found = {}
    for call in wanted:
        kind = call.check.kind
        if kind == "leaks":
            found[call.id] = Answer(_count(leaked=0), {})
        elif kind == "traces" and not call.module:
            found[call.id] = Answer(_count(traces=1), {})
        elif kind in VARIABLES:
            found[call.id] = Answer(_right(call, together[call.id][0][3]), {})
        else:
            found[call.id] = _answer(call, together[call.id], scale)
    return found


def _plain_calls(calls: list[Call]) -> list[tuple[Call, tuple]]:
    """The calls as single eager or grad evaluations, numbered anew, at the inputs (neighbour 0) and near them."""
    plain = []
    for call in calls:
        kind = call.check.kind
        if kind == "leaks" or (kind == "traces" and not call.module):
            continue
        draws = {"vmap": range(DRAWS), "traces": [1]}.get(kind, [None])
        for draw in draws:
            arrays = call.arrays if draw is None else {name: array[draw] for name, array in call.arrays.items()}
            for neighbour in range(1 if kind in VARIABLES or call.drawn else 1 + NEIGHBOURS):
                rng = np.random.default_rng([call.id, neighbour])
                near = {name: _nudge(rng, array) if neighbour else array for name, array in arrays.items()}
                base = kind if kind in ("grad", "again", *VARIABLES) else "eager"
                plain.append(
                    (
                        dataclasses.replace(
                            call, id=len(plain), check=Check(call.check.entry, base, call.check.case), arrays=near
                        ),
                        (call.id, draw, neighbour),
                    )
                )
    return plain


def _nudge(rng, array):
    if not is_float(array):
        return array
    return (array.astype(np.float64) * (1 + eps_of(array) * rng.choice([-1, 0, 1], array.shape))).astype(array.dtype)


def _inputs_eps(call: Call) -> float:
    arrays = (*call.arrays.values(), *call.params.values())
    return max((eps_of(array) for array in arrays if is_float(array)), default=0.0)


def driver_of(problem):
    """The problem's own functions, where it has some."""
    path = problem.folder / "driver.py"
    return load(path, "driver") if path.exists() else None


def _run(find, calls: list[Call], driver=None, *, double: bool = False, eagerly: bool = False) -> dict[int, Outcome]:
    import jax

    from grader.run.evaluate import Evaluation

    if _memory_maps() > MANY_MAPS:
        jax.clear_caches()
    outcomes: dict[int, Outcome] = {}
    with jax.enable_x64(double):
        Evaluation(
            find, _failure, lambda call, outcome: outcomes.__setitem__(call.id, outcome), double=double, driver=driver
        ).run(calls, eagerly=eagerly)
    return outcomes


def _memory_maps() -> int:
    """How many pieces of memory this process has mapped, where the system tells it."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0


def _failure(error: BaseException) -> Failure:
    from grader.run.failure import failure_of

    return failure_of(error, "")


def _answer(call: Call, runs: list, scale) -> Answer:
    """The float64 values in the call's dtype, stacked over the draws, and the allowed error."""
    first = _right(call, runs[0][3])
    if first.failure:
        return Answer(first, {})
    # in another precision it would draw other bits: how far inputs that are one rounding off take it says how far is
    # allowed
    if call.keys or call.drawn:
        exactly = {draw: single for draw, neighbour, _, single, _ in runs if neighbour == 0}
        runs = [(draw, neighbour, one, single, exactly[draw]) for draw, neighbour, one, single, _ in runs]
    failed = next((double.failure for *_, double in runs if double and double.failure), None)
    if failed:
        raise CourseError(
            f"in float64 the reference fails at {call.check.case} · {call.check.kind}: {failed.type}: {failed.message}"
        )
    exact = [double for _, neighbour, _, _, double in runs if neighbour == 0]
    like = runs[0][3]
    leaves, allowed = {}, {}
    for leaf, array in like.leaves.items():
        if leaf in _drawn(call, like):
            leaves[leaf], allowed[leaf] = (
                np.stack([single.leaves[leaf] for _, neighbour, _, single, _ in runs if neighbour == 0])
                if call.check.kind == "vmap"
                else array,
                DRAWN,
            )
            continue
        values = [outcome.leaves[leaf] for outcome in exact]
        leaves[leaf] = (np.stack(values) if call.check.kind == "vmap" else values[0]).astype(array.dtype)
        if not is_float(array):
            if any((single.leaves[leaf] != double.leaves[leaf]).any() for *_, single, double in runs):
                raise CourseError(
                    f"at {call.check.entry}, {call.check.case} · {call.check.kind} rounding "
                    f"decides{f' {leaf}' if leaf else ''}: in float32, in float64 or at inputs that "
                    "are one rounding away the reference gives other integers. Choose inputs that keep clear of it"
                )
            continue
        error = max(_error(single.leaves[leaf], double.leaves[leaf]) for _, _, _, single, double in runs)
        eps = eps_of(array)
        told = {"eps": eps, "inputs_eps": _inputs_eps(call)} if scale else {}
        told = {name: value for name, value in told.items() if name in inspect.signature(scale).parameters}
        floor = (
            max(
                (
                    float(scale(**_scale_arguments(one), **told))
                    for _, neighbour, c, _, _ in runs
                    if neighbour == 0
                    for one in _single(c)
                ),
                default=1.0,
            )
            if scale
            else 1.0
        )
        magnitude = max((float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in values), default=0.0)
        allowed[leaf] = max(MARGIN * error, eps * floor, eps * magnitude)
    structure = like.structure
    if call.check.kind == "traces":
        leaves = {f"output{'.' if leaf and leaf[0] != '[' else ''}{leaf}": array for leaf, array in leaves.items()}
        allowed = {f"output{'.' if leaf and leaf[0] != '[' else ''}{leaf}": value for leaf, value in allowed.items()}
        leaves["traces"] = np.asarray(1, np.int32)
        structure = ["dict", [["output", structure], ["traces", "array"]]]
    return Answer(Outcome(structure, leaves), allowed)


def _drawn(call: Call, outcome: Outcome) -> set[str]:
    """Which arrays may hold anything: what is drawn, and the keys that a module keeps."""
    kept = re.compile(r"(.*\.)?variables\.")
    return {path for path, kind in parts_of(outcome.structure) if kind == "key" and kept.match(path)} | {
        leaf for leaf in outcome.leaves if call.drawn and not kept.match(leaf)
    }


def _right(call: Call, outcome: Outcome) -> Outcome:
    """The outcome, if it is one that the contract may ask for: the exception of a case that names one, and no other.

    Raises CourseError otherwise: what the reference cannot do is no part of the contract.
    """
    place, failure = f"{call.check.entry}, {call.check.case} · {call.check.kind}", outcome.failure
    if call.raises and failure and failure.is_a(call.raises):
        return Outcome(failure=dataclasses.replace(failure, type=call.raises))
    if call.raises:
        raise CourseError(
            f"at {place} the case asks for {call.raises}, and the reference "
            + (f"raises {failure.type}: {failure.message}" if failure else "raises nothing")
        )
    if failure:
        raise CourseError(f"at {place} the reference fails: {failure.type}: {failure.message}")
    return outcome


def _single(call: Call) -> list[Call]:
    """The calls that a call makes: of `again`, which has them stacked, those with the first two draws and with a
    mixture of them."""
    if call.check.kind != "again":
        return [call]
    one, two = ({name: array[draw] for name, array in call.arrays.items()} for draw in (0, 1))
    first = next(iter(one))
    return [dataclasses.replace(call, arrays=arrays) for arrays in (one, two, {**two, first: one[first]})]


def _scale_arguments(call: Call) -> dict:
    arguments = call.arguments(
        {name: a.astype(np.float64) if is_float(a) else a for name, a in call.arrays.items()},
        dataclass=named_tuple_of_fields,
    )
    if call.module:
        return dict(init=call.init, params={name: a.astype(np.float64) for name, a in call.params.items()}, **arguments)
    return arguments


def _error(single: np.ndarray, double: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        error = np.abs(single.astype(np.float64) - double.astype(np.float64))
    return float(error[np.isfinite(error)].max(initial=0.0))


def _count(**counts) -> Outcome:
    leaves = {name: np.asarray(count, np.int32) for name, count in counts.items()}
    return Outcome(["dict", [[name, "array"] for name in leaves]], leaves)


def mistake_outcomes(problem, calls: list[Call], key: dict[int, Answer]):
    """Each mistake with its outcomes: of structure and values, then of the proofs, then of every other check, until
    they tell it from the reference and from every other mistake, where anything does."""
    entries = {entry.name: entry for entry in problem.entries}
    bank = _bank(problem, calls)
    for one in bank:
        while one.stages and not _unlike(entries[one.known.entry], one.calls, one.outcomes, key):
            one.go_on()
    while alike := _alike(bank, entries, key):
        for one in alike:
            one.go_on()
    return [(one.known, one.outcomes) for one in bank]


def _alike(bank: list[_Known], entries, key: dict[int, Answer]) -> list[_Known]:
    """The mistakes that nothing so far tells from another one, and of which there is more to know. A claim that two
    programs break in the same manner tells nobody which of them it is, however far each of them goes."""
    told = {id(one): settled(entries[one.known.entry], one.calls, one.outcomes) for one in bank}
    alike = {
        id(mine): mine
        for one, other in itertools.combinations(bank, 2)
        if one.may_be(other) and _agree(told[id(one)], told[id(other)], key)
        for mine in (one, other)
        if mine.stages
    }
    return [*alike.values()]


def _agree(ours: dict[int, Outcome], theirs: dict[int, Outcome], key: dict[int, Answer]) -> bool:
    """Whether two mistakes give the same wherever both were asked."""
    return all(agree(ours[id], theirs[id], key[id].allowed if id in key else {}) for id in ours.keys() & theirs.keys())


def _bank(problem, calls: list[Call]) -> list[_Known]:
    """Every mistake, in each of its forms."""
    reference, driver = load(problem.solutions / "reference.py", "reference"), driver_of(problem)
    entries = {entry.name: entry for entry in problem.entries}
    bank = []
    for known in mistakes(problem.solutions / "mistakes.py"):
        name = known.entry or problem.entries[0].name
        make = functools.partial(wrong_answer, known, function=isinstance(entries[name], Function))
        wrong = make(getattr(reference, name))
        bank.append(
            _Known(
                dataclasses.replace(known, entry=name),
                make,
                wrong,
                functools.partial(_with, reference, name, wrong),
                [call for call in calls if call.check.entry == name],
                driver,
            )
        )
    return bank


def together(one: _Known, other: _Known, ids: list[int]) -> dict[int, Outcome]:
    """What the second mistake gives for some calls, made in what the first gave; nothing where it does not ask what
    stands in the reference's place."""
    if not _asks(other.known.make):
        return {}
    wrong = other.make(one.wrong)
    return _run(
        lambda name: wrong if name == one.known.entry else one.find(name),
        [call for call in other.calls if call.id in ids],
        one.driver,
        eagerly=True,
    )


def _asks(make: Callable) -> bool:
    """Whether a mistake uses its first argument."""
    code = getattr(make, "func", make).__code__
    first = code.co_varnames[0]
    return first in code.co_cellvars or any(
        first == used.argval or isinstance(used.argval, tuple) and first in used.argval
        for used in dis.get_instructions(code)
    )


@dataclasses.dataclass
class _Known:
    """A mistake, how it is made, what stands in the reference's place, where its names are found, and what it gives so
    far."""

    known: Mistake
    make: Callable
    wrong: Callable
    find: Callable
    calls: list[Call]
    driver: object
    stages: list = dataclasses.field(default_factory=lambda: [*STAGES])
    outcomes: dict[int, Outcome] = dataclasses.field(default_factory=dict)

    def go_on(self) -> None:
        kinds = self.stages.pop(0)
        stage = [
            call for call in self.calls if call.id not in self.outcomes and (kinds is None or call.check.kind in kinds)
        ]
        self.outcomes |= _run(self.find, stage, self.driver, eagerly=True)

    def may_be(self, other: _Known) -> bool:
        """Whether both are about one name, and they are not two forms of one."""
        return self.known.entry == other.known.entry and self.known.written != other.known.written


def _with(reference, replaced: str, wrong, name: str):
    """What stands under a name where one of the reference's is replaced."""
    return wrong if name == replaced else getattr(reference, name)


def _unlike(entry, calls: list[Call], outcomes: dict[int, Outcome], key: dict[int, Answer]) -> bool:
    """Whether anything so far tells the outcomes from the reference's."""
    return any(
        id in key and not agree(key[id].outcome, outcome, key[id].allowed) for id, outcome in outcomes.items()
    ) or any(sign for _, sign in settle(entry, calls, outcomes).values())


def wrong_answer(known, reference, function: bool):
    """A mistake as something that can be called like the student's own."""
    if not function:
        return known.make(reference)

    def wrong(*args, **kwargs):
        return known.make(reference, *args, **kwargs)

    return wrong


if __name__ == "__main__":
    main()
