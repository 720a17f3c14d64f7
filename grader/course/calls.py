"""One call that every implementation is put through: student, reference and mistakes alike."""

from __future__ import annotations

import functools
import hashlib
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from grader.course.cases import TRANSFORMS, Entry, Given, Key, Module, ModuleInputs, Relation
from grader.course.problem import CourseError
from grader.course.trees import parts_of, put_together, take_apart
from grader.course.verdict import Check, named_tuple_of_fields

DRAWS = 3  # how many inputs a vmapped call stacks
# the path of the keys of a statistic about a module, which go into the streams that it keeps
RNGS = "rngs"
GIVEN = "given by the problem"
# a seed from here on is secret: a worker is told what follows from it and does not lead back to it
PUBLIC = 1 << 32


@dataclass(frozen=True)
class Call:
    """A check's arguments. `params` and `init` are a module's; `static` arguments are Python values.

    For `vmap`, and for the structural checks that compare several draws, each array has a leading axis of DRAWS.
    """

    id: int
    check: Check
    variant: str = ""  # which change of a relation; "" is the unchanged call
    module: bool = False
    by_name: bool = False  # arguments passed by keyword
    keyword_only: tuple[str, ...] = ()  # those that always are
    seed: int = 0  # of the cotangent, which in a class nobody knows before the call
    order: tuple[str, ...] = ()  # of the arguments, arrays and static ones together
    init: dict[str, Any] = field(default_factory=dict)
    static: dict[str, Any] = field(default_factory=dict)
    params: dict[str, np.ndarray] = field(default_factory=dict)
    # by path: `state[0].mean` is a part of the argument `state`
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    # the structures of the arguments that are more than an array
    trees: dict[str, Any] = field(default_factory=dict)
    steps: tuple[int, ...] = ()  # a stateful module's calls: how many rows each takes
    by_row: bool = False  # whether each takes one row, without its axis
    drive: str = "by hand"
    mode: str = ""  # of a module: train or eval
    # the function of the problem's `driver.py` that is called in the place of what the student wrote
    driver: str = ""
    drawn: bool = False  # whether its values are drawn, and so have no expected ones; a worker is not told
    given: tuple[str, ...] = ()  # a module's variables whose initial values are compared
    free: tuple[str, ...] = ()  # a module's variables whose values after its calls are not
    raises: str = ""  # what the contract asks to be raised; a worker is not told
    # what to measure of the program: for a proof facts, for a relation its outputs
    measure: dict[str, Any] = field(default_factory=dict)

    @property
    def transform(self) -> str:
        return self.check.kind

    def to_wire(self):
        message = dict(
            id=self.id,
            check=[self.check.entry, self.check.kind, self.check.case],
            variant=self.variant,
            module=self.module,
            by_name=self.by_name,
            keyword_only=self.keyword_only,
            seed=self.seed,
            order=self.order,
            init=_sent(self.init),
            static=_sent(self.static),
            trees=self.trees,
            steps=self.steps,
            by_row=self.by_row,
            drive=self.drive,
            mode=self.mode,
            driver=self.driver,
            given=self.given,
            free=self.free,
            measure=self.measure,
        )
        return message, {f"params/{n}": a for n, a in self.params.items()} | {
            f"arrays/{n}": a for n, a in self.arrays.items()
        }

    @classmethod
    def from_wire(cls, message, arrays) -> Call:
        message["check"] = Check(*message["check"])
        message |= {name: received(message[name]) for name in ("init", "static")}
        groups = {"params": {}, "arrays": {}}
        for name, array in arrays.items():
            group, rest = name.split("/", 1)
            groups[group][rest] = array
        return cls(**message, **groups)

    def arguments(self, arrays, **making) -> dict[str, Any]:
        """All arguments in the contract's order, with `arrays` for the arrays. `making` says how keys, dataclasses and
        what is given are made (see `put_together`)."""
        key = making.pop("key", lambda data: data)

        def leaf(kind, path):
            return key(arrays[path]) if kind == "key" else arrays[path]

        return {
            name: put_together(self.trees[name], leaf, name, **making)
            if name in self.trees
            else arrays[name]
            if name in arrays
            else self.static[name]
            for name in self.order
        }

    @property
    def known(self) -> dict[str, Any]:
        """What a claim about draws is told: the arguments, and of a module its constructor's arguments and its
        parameters by path."""
        return {
            **self.init,
            **self.params,
            **self.arguments(self.arrays, static=received, dataclass=named_tuple_of_fields),
        }

    @functools.cached_property
    def keys(self) -> list[str]:
        """The paths of the keys among the arrays."""
        return [
            path for name, structure in self.trees.items() for path, kind in parts_of(structure, name) if kind == "key"
        ] + [RNGS] * (RNGS in self.arrays)

    @property
    def names(self) -> list[str]:
        """Of a program's inputs, in its order: the parameters, then the arrays."""
        return [*sorted(self.params), *sorted(self.arrays)]

    @property
    def inputs(self) -> list[np.ndarray]:
        """A program's inputs, in its order."""
        return [
            *(self.params[name] for name in sorted(self.params)),
            *(self.arrays[name] for name in sorted(self.arrays)),
        ]

    @functools.cached_property
    def form(self) -> Call:
        """The call without its arrays, and without what is asked about it: all that a target may depend on. Whatever a
        call has more is a part of it."""
        return replace(
            self,
            id=0,
            check=Check(self.check.entry, ""),
            variant="",
            seed=0,
            given=(),
            raises="",
            drawn=False,
            params={},
            arrays={},
            measure={},
        )

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
        return replace(
            self, static=self.static | values, order=(*self.order, *(name for name in values if name not in self.order))
        )

    def described(self) -> str:
        """The case's arguments in a line: `q (3, 8)  k (5, 8)  num_heads 2`; those of the problem's own function where
        one drives what the student wrote."""
        shown = [f"{name} {_shape(array, name in self.keys)}" for name, array in self.arrays.items()]
        shown += [f"{name} {value!r}" for name, value in {**self.init, **self.static}.items()]
        shown += [
            f"{path} {part[1]!r}"
            for name, tree in self.trees.items()
            for path, part in parts_of(tree, name)
            if part[0] == "static"
        ]
        if self.steps:
            shown.append(f"in {_sizes(self.steps)}" + (f", {self.drive}" if self.drive != "by hand" else ""))
        if self.driver:
            shown.append(f"called by {self.driver} of driver.py")
        return "  ".join(shown)


def calls_for(entries: list[Entry], seed: int = 0) -> list[Call]:
    """Every call of a problem, in the order of causes: structure, then each transform up the ladder, then relations.

    Each case draws from a generator of its own, so that adding a case changes no other. The calls whose programs a
    proof or a relation is about have inputs that no other call has.
    """
    calls: list[Call] = []
    told = of_cotangents(seed)

    def add(**fields):
        calls.append(Call(id=len(calls), seed=told, **fields))

    for entry in entries:
        module = isinstance(entry, Module)
        drawn, apart = {}, {}
        proved = {(case, proof.under) for proof in entry.proofs for case in proof.cases}
        proved |= {
            (relation.case, under) for relation in entry.relations for under in relation.under if under != "eager"
        }
        for index, (case, rung) in enumerate(entry.cases.items()):
            rng = _generator(seed, entry.name, case)
            draws = [_split(entry.inputs(rng, **rung.sizes)) for _ in range(DRAWS)]
            with_key = any(
                kind == "key" for name, tree in draws[0]["trees"].items() for _, kind in parts_of(tree, name)
            )
            drawn[case] = (
                dict(
                    module=module and not rung.driver,
                    by_name=bool(index % 2 or rung.driver),
                    keyword_only=() if rung.driver else tuple(entry.keyword_only),
                    free=tuple(entry.free),
                    raises=rung.raises,
                    driver=rung.driver,
                    drawn=with_key if rung.drawn is None else rung.drawn,
                ),
                draws,
            )
            if case in {name for name, _ in proved}:
                apart[case] = [_split(entry.inputs(rng, **rung.sizes)) for _ in range(DRAWS)]

        def inputs_of(case: str, transform: str) -> dict:
            draws = apart[case] if (case, transform) in proved else drawn[case][1]
            return _stacked(draws) if transform == "vmap" else draws[0]

        plain = [case for case, rung in entry.cases.items() if "eager" in rung.under and "jit" in rung.under]
        constructed = [case for case in plain if drawn[case][0]["module"]]
        if constructed:
            common, draws = drawn[constructed[0]]
            add(check=Check(entry.name, "parameters", constructed[0]), given=tuple(entry.given), **common, **draws[0])
        for transform in TRANSFORMS:
            for case, rung in entry.cases.items():
                common, draws = drawn[case]
                if transform not in rung.under or not _applies(transform, draws[0]):
                    continue
                add(check=Check(entry.name, transform, case), **common, **inputs_of(case, transform))
        for proof in entry.proofs:
            for case in proof.cases:
                measure = proof.measure(entry.cases[case].sizes) | dict(under=proof.under)
                add(
                    check=Check(entry.name, "proof", proof.name),
                    variant=case,
                    measure=measure,
                    **drawn[case][0],
                    **inputs_of(case, proof.under),
                )
        for statistic in entry.statistics:
            if statistic.case not in drawn:
                raise CourseError(
                    f"the statistic {statistic.name!r} of {entry.name} is about a case that is not there: "
                    f"{statistic.case!r}"
                )
            common, draws = drawn[statistic.case]
            if not (
                common["module"]
                or any(kind == "key" for name, tree in draws[0]["trees"].items() for _, kind in parts_of(tree, name))
            ):
                raise CourseError(
                    f"the statistic {statistic.name!r} of {entry.name} is about a case without a key: "
                    f"{statistic.case!r}"
                )
            add(
                check=Check(entry.name, "draws", statistic.name),
                **common,
                **_many(draws[0], statistic, _generator(seed, entry.name, statistic.name)),
            )
        for relation in entry.relations:
            if relation.case not in drawn:
                raise CourseError(
                    f"the property {relation.name!r} of {entry.name} is about a case that is not there: "
                    f"{relation.case!r}"
                )
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
    """The calls of a property: for each transform the unchanged one and its changes, from a draw of their own. What a
    program gives is asked of that program."""
    rng = _generator(seed, entry.name, relation.name)
    for transform in relation.under:
        inputs = entry.inputs(rng, **entry.cases[relation.case].sizes)
        measure = {} if transform == "eager" else dict(of="outputs", under=transform)
        for label, changed in [("", inputs), *relation.vary(rng, inputs)]:
            add(
                check=Check(entry.name, transform, relation.name),
                variant=label,
                measure=measure,
                **common,
                **_split(changed),
            )


def of_cotangents(seed: int) -> int:
    """The seed of cotangents, which goes to the worker: a public one is the seed of everything else, a secret one does
    not lead back to it."""
    return (
        seed if seed < PUBLIC else int.from_bytes(hashlib.sha256(f"cotangents of {seed}".encode()).digest()[:8], "big")
    )


def _generator(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def _split(inputs) -> dict[str, dict]:
    module = isinstance(inputs, ModuleInputs)
    arguments = inputs.call if module else inputs
    arrays: dict[str, np.ndarray] = {}
    trees, static = {}, {}
    for name, value in arguments.items():
        structure = take_apart(value, functools.partial(_leaf, arrays), name, whole=(Key, Given))
        if structure == "array":
            continue
        if any(kind in ("array", "key") for _, kind in parts_of(structure, name)):
            trees[name] = structure
        else:
            static[name] = value
    return dict(
        init=dict(inputs.init) if module else {},
        params=dict(inputs.params) if module else {},
        arrays=arrays,
        trees=trees,
        static=static,
        order=tuple(arguments),
        steps=tuple(inputs.steps) if module else (),
        by_row=module and inputs.by_row,
        drive=inputs.drive if module else "by hand",
        mode=inputs.mode if module else "",
    )


def _leaf(arrays: dict[str, np.ndarray], item, path: str):
    """What an argument's part is, with its array kept."""
    if isinstance(item, (np.ndarray, np.generic, Key)):
        arrays[path] = np.asarray(item.data if isinstance(item, Key) else item)
        return "key" if isinstance(item, Key) else "array"
    return ["static", _sent(item)]


def _sent(value):
    """A static value as JSON has it: what the problem's driver gives goes by its name."""
    if isinstance(value, Given):
        return {GIVEN: value.name}
    return {name: _sent(part) for name, part in value.items()} if isinstance(value, dict) else value


def received(value):
    """A static value as it was before it was sent."""
    if isinstance(value, dict):
        return Given(value[GIVEN]) if [*value] == [GIVEN] else {name: received(part) for name, part in value.items()}
    return value


def _stacked(draws: list[dict]) -> dict[str, dict]:
    """The draws with their arrays stacked; constructor, parameters and static arguments are those of the first."""
    arrays = {name: np.stack([draw["arrays"][name] for draw in draws]) for name in draws[0]["arrays"]}
    return {**draws[0], "arrays": arrays}


def _many(draw: dict, statistic, rng) -> dict[str, dict]:
    """The inputs of a draw with as many keys as a statistic asks for, in the place of each."""
    shapes = {
        path: draw["arrays"][path].shape
        for name, tree in draw["trees"].items()
        for path, kind in parts_of(tree, name)
        if kind == "key"
    } or {RNGS: (2,)}
    many = {
        path: rng.integers(1 << 32, size=(statistic.draws, *shape), dtype=np.uint32) for path, shape in shapes.items()
    }
    return {**draw, "arrays": draw["arrays"] | many}


def _shape(array: np.ndarray, is_key: bool) -> str:
    return str(tuple(array.shape)) if not is_key else f"key {tuple(array.shape[:-1])}" if array.ndim > 1 else "key"


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


def eps_of(array) -> float:
    """How far 1 is from the next number of its type; of bfloat16 half of that, its largest rounding."""
    return 2.0**-8 if array.dtype.name == "bfloat16" else float(np.finfo(array.dtype).eps)
