"""One call that every implementation is put through: student, reference and mistakes alike."""

from __future__ import annotations

import functools
import hashlib
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grader.course.cases import TRANSFORMS, Entry, Module, Relation
from grader.course.problem import CourseError
from grader.course.verdict import Check

DRAWS = 3                       # how many inputs a vmapped call stacks
PUBLIC = 1 << 32                # a seed from here on is secret: a worker is told what follows from it and does not lead back to it


@dataclass(frozen=True)
class Call:
    """A check's arguments. `params` and `init` are a module's; `static` arguments are Python values.

    For `vmap`, and for the structural checks that compare several draws, each array has a leading axis of DRAWS.
    """

    id: int
    check: Check
    variant: str = ""           # which change of a relation; "" is the unchanged call
    module: bool = False
    by_name: bool = False       # arguments passed by keyword
    keyword_only: tuple[str, ...] = ()      # those that always are
    seed: int = 0               # of the cotangent, which in a class nobody knows before the call
    order: tuple[str, ...] = ()     # of the arguments, arrays and static ones together
    init: dict[str, Any] = field(default_factory=dict)
    static: dict[str, Any] = field(default_factory=dict)
    params: dict[str, np.ndarray] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    steps: tuple[int, ...] = ()     # a stateful module's calls: how many rows each takes
    drive: str = "by hand"
    given: tuple[str, ...] = ()     # a module's variables whose initial values are compared
    raises: str = ""            # what the contract asks to be raised; a worker is not told
    measure: dict[str, Any] = field(default_factory=dict)       # what to measure of the program: for a proof facts, for a relation its outputs

    @property
    def transform(self) -> str:
        return self.check.kind

    def to_wire(self):
        message = dict(id=self.id, check=[self.check.entry, self.check.kind, self.check.case], variant=self.variant, module=self.module,
                       by_name=self.by_name, keyword_only=self.keyword_only, seed=self.seed, order=self.order, init=self.init, static=self.static, steps=self.steps, drive=self.drive,
                       given=self.given, measure=self.measure)
        return message, {f"params/{n}": a for n, a in self.params.items()} | {f"arrays/{n}": a for n, a in self.arrays.items()}

    @classmethod
    def from_wire(cls, message, arrays) -> Call:
        message["check"] = Check(*message["check"])
        groups = {"params": {}, "arrays": {}}
        for name, array in arrays.items():
            group, rest = name.split("/", 1)
            groups[group][rest] = array
        return cls(**message, **groups)

    def arguments(self, arrays) -> dict[str, Any]:
        """All arguments in the contract's order, with `arrays` for the arrays."""
        return {name: arrays[name] if name in arrays else self.static[name] for name in self.order}

    @property
    def names(self) -> list[str]:
        """Of a program's inputs, in its order: the parameters, then the arrays."""
        return [*sorted(self.params), *sorted(self.arrays)]

    @property
    def inputs(self) -> list[np.ndarray]:
        """A program's inputs, in its order."""
        return [*(self.params[name] for name in sorted(self.params)), *(self.arrays[name] for name in sorted(self.arrays))]

    @functools.cached_property
    def form(self) -> Call:
        """The call without its arrays, and without what is asked about it: all that a target may depend on. Whatever a call has more is a part of it."""
        return replace(self, id=0, check=Check(self.check.entry, ""), variant="", seed=0, given=(), raises="", params={}, arrays={}, measure={})

    @functools.cached_property
    def form_key(self) -> str:
        """Equal for two calls of one form."""
        return repr(self.form)

    @functools.cached_property
    def program_key(self) -> str:
        """What a traced program depends on, beside the transform: equal for two calls that share one."""
        shapes = {name: (array.shape, array.dtype.name) for name, array in {**self.params, **self.arrays}.items()}
        return repr((self.form_key, self.seed, shapes))

    def with_static(self, **values) -> Call:
        """The call with some arguments set, whether it passes them already or not."""
        return replace(self, static=self.static | values, order=(*self.order, *(name for name in values if name not in self.order)))

    def described(self) -> str:
        """The case's arguments in a line: `q (3, 8)  k (5, 8)  num_heads 2`."""
        shown = [f"{name} {tuple(array.shape)}" for name, array in self.arrays.items()]
        shown += [f"{name} {value!r}" for name, value in {**self.init, **self.static}.items()]
        if self.steps:
            shown.append(f"in {_sizes(self.steps)}" + (f", {self.drive}" if self.drive != "by hand" else ""))
        return "  ".join(shown)


def calls_for(entries: list[Entry], seed: int = 0) -> list[Call]:
    """Every call of a problem, in the order of causes: structure, then each transform up the ladder, then relations.

    Each case draws from a generator of its own, so that adding a case changes no other. The calls whose programs a proof or a relation is about
    have inputs that no other call has.
    """
    calls: list[Call] = []
    told = of_cotangents(seed)

    def add(**fields):
        calls.append(Call(id=len(calls), seed=told, **fields))

    for entry in entries:
        module = isinstance(entry, Module)
        drawn, apart = {}, {}
        proved = {(case, proof.under) for proof in entry.proofs for case in proof.cases}
        proved |= {(relation.case, under) for relation in entry.relations for under in relation.under if under != "eager"}
        for index, (case, rung) in enumerate(entry.cases.items()):
            rng = _generator(seed, entry.name, case)
            drawn[case] = dict(module=module, by_name=bool(index % 2), keyword_only=tuple(entry.keyword_only), raises=rung.raises), [_split(entry.inputs(rng, **rung.sizes), module) for _ in range(DRAWS)]
            if case in {name for name, _ in proved}:
                apart[case] = [_split(entry.inputs(rng, **rung.sizes), module) for _ in range(DRAWS)]

        def inputs_of(case: str, transform: str) -> dict:
            draws = apart[case] if (case, transform) in proved else drawn[case][1]
            return _stacked(draws) if transform == "vmap" else draws[0]

        plain = [case for case, rung in entry.cases.items() if "eager" in rung.under and "jit" in rung.under]
        if module and plain:
            common, draws = drawn[plain[0]]
            add(check=Check(entry.name, "parameters", plain[0]), given=tuple(entry.given), **common, **draws[0])
        for transform in TRANSFORMS:
            for case, rung in entry.cases.items():
                common, draws = drawn[case]
                if transform not in rung.under or not _applies(transform, draws[0]):
                    continue
                add(check=Check(entry.name, transform, case), **common, **inputs_of(case, transform))
        for proof in entry.proofs:
            for case in proof.cases:
                measure = proof.measure(entry.cases[case].sizes) | dict(under=proof.under)
                add(check=Check(entry.name, "proof", proof.name), variant=case, measure=measure, **drawn[case][0], **inputs_of(case, proof.under))
        for relation in entry.relations:
            if relation.case not in drawn:
                raise CourseError(f"the property {relation.name!r} of {entry.name} is about a case that is not there: {relation.case!r}")
            _add_relation(add, entry, relation, drawn[relation.case][0], seed)
        with_arrays = [case for case in plain if drawn[case][1][0]["arrays"]]
        if with_arrays:
            stepped = [case for case in with_arrays if {*drawn[case][1][0]["steps"]} == {1}]
            last = (stepped or with_arrays)[-1]
            common, draws = drawn[last]
            add(check=Check(entry.name, "traces", last), **common, **_stacked(draws))
            if stepped:
                add(check=Check(entry.name, "state", last), **common, **draws[0])
            add(check=Check(entry.name, "leaks", last), **common, **draws[0])
            small = with_arrays[:2][-1]
            common, draws = drawn[small]
            add(check=Check(entry.name, "again", small), **common, **_stacked(draws))
    return calls


def _add_relation(add, entry: Entry, relation: Relation, common: dict, seed: int):
    """The calls of a property: for each transform the unchanged one and its changes, from a draw of their own. What a program gives is asked of that program."""
    rng = _generator(seed, entry.name, relation.name)
    for transform in relation.under:
        inputs = entry.inputs(rng, **entry.cases[relation.case].sizes)
        measure = {} if transform == "eager" else dict(of="outputs", under=transform)
        for label, changed in [("", inputs), *relation.vary(rng, inputs)]:
            add(check=Check(entry.name, transform, relation.name), variant=label, measure=measure, **common, **_split(changed, common["module"]))


def of_cotangents(seed: int) -> int:
    """The seed of cotangents, which goes to the worker: a public one is the seed of everything else, a secret one does not lead back to it."""
    return seed if seed < PUBLIC else int.from_bytes(hashlib.sha256(f"cotangents of {seed}".encode()).digest()[:8], "big")


def _generator(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def _split(inputs, module: bool) -> dict[str, dict]:
    arguments = inputs.call if module else inputs
    arrays = {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}
    return dict(init=dict(inputs.init) if module else {}, params=dict(inputs.params) if module else {}, arrays=arrays, order=tuple(arguments),
                static={name: value for name, value in arguments.items() if name not in arrays},
                steps=tuple(inputs.steps) if module else (), drive=inputs.drive if module else "by hand")


def _stacked(draws: list[dict]) -> dict[str, dict]:
    """The draws with their arrays stacked; constructor, parameters and static arguments are those of the first."""
    arrays = {name: np.stack([draw["arrays"][name] for draw in draws]) for name in draws[0]["arrays"]}
    return {**draws[0], "arrays": arrays}


def _applies(transform: str, draw: dict) -> bool:
    if transform == "vmap":
        return bool(draw["arrays"])
    if transform == "grad":
        return any(is_float(array) for array in (*draw["arrays"].values(), *draw["params"].values()))
    return True


def _sizes(steps: tuple[int, ...]) -> str:
    """`(1, 1, 1, 1)` is "4 calls of 1", `(2, 3)` is "calls of 2, 3"."""
    if len({*steps}) == 1:
        return f"{len(steps)} call{'s' if len(steps) > 1 else ''} of {steps[0]}"
    return f"calls of {', '.join(map(str, steps))}"


def is_float(array) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"
