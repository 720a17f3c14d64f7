"""Puts an implementation through its calls and reports an Outcome for each: the one harness for stub, reference and
mistakes.

Eager calls run one by one. For each other transform all cases are traced one by one, so that an error belongs to its
case, and compiled together as one program in a thread of its own, while the next transform is traced: compiling one
program of many small parts costs a fraction of compiling many small programs.
"""

from __future__ import annotations

import concurrent.futures
import functools
from collections.abc import Callable, Iterable
from gc import collect, get_objects
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from jax import jit
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from grader.course.calls import Call
from grader.course.trees import take_apart
from grader.course.verdict import Failure, Outcome, cut, word
from grader.run import transforms
from grader.run.shapes import PutAway
from grader.run.target import ModuleTarget, target_for

LARGEST = 1 << 28  # bytes of one returned array
ONE_BY_ONE = 64  # keys; with more it would take too long
ASKS_FOR_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Exhausted(Exception):
    """A call took all the memory or stack that there is; what comes after it would only do so again."""


class Evaluation:
    """One implementation under all its calls. `find(entry)` gives the function or class; `fail(error)` turns an
    exception into data.

    `started(stage, *ids)` is told before student code runs, so that a hang is known by its place. `path` is the file
    whose lines count. `singly` no program is compiled together with another. `driver` is the problem's `driver.py`,
    where it has one. With `carry(call, program)` nothing is measured here: each program that a proof is about is handed
    over once, with the first of its calls. With `anew()`, which imports the file anew and gives another `find`, modules
    are made without their initial values where nobody looks at them, and what they put away stays in that other import.
    """

    used = False  # whether the worker has had another file, which may have left tracers

    def __init__(
        self,
        find: Callable,
        fail: Callable[[BaseException], Failure],
        emit: Callable[[Call, Outcome], None],
        started: Callable[..., None] = lambda stage, *ids: None,
        *,
        double: bool = False,
        path: str = "",
        carry: Callable[[Call, ClosedJaxpr], None] | None = None,
        singly: bool = False,
        driver=None,
        anew: Callable[[], Callable] | None = None,
    ):
        self.find, self.fail, self.emit, self.started = find, fail, emit, started
        self.double, self.path, self.carry, self.singly, self.driver = double, path, carry, singly, driver
        self.anew, self.find_anew = anew, None
        self.targets: dict = {}
        self.with_values: set[str] = set()  # the modules that have to be made with them
        self.programs: dict = {}
        self.in_two: set[str] = set()  # of whose gradients it is asked what is kept between the passes
        self.carried: set = set()
        self.failed = False  # whether a call has raised

    def run(self, calls: Iterable[Call], *, eagerly: bool = True) -> None:
        """Evaluates the calls. Not `eagerly`: an eager call is traced and compiled with the others where it can be."""
        groups: dict[str, list[Call]] = {}
        calls = [*calls]
        self.in_two = {call.program_key for call in calls if call.measure.get("of") == "kept"}
        for call in calls:
            groups.setdefault(call.transform, []).append(call)
        self.left_over = _living_tracers() if Evaluation.used and "leaks" in groups else {}
        Evaluation.used = True
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for call in groups.pop("parameters", []):
                self._attempt(call, self._parameters)
            eager_calls = groups.pop("eager", [])
            if not eagerly and eager_calls:
                groups = {"eager": eager_calls, **groups}
            elif eager_calls:
                # the smallest first: it finds most mistakes, and warms what tracing needs
                self._attempt(eager_calls[0], self._eager)
            together = [
                (transform, groups.pop(transform)) for transform in ("eager", *transforms.TRACED) if transform in groups
            ]
            pending = [] if self.singly else [self._traced(transform, group, pool) for transform, group in together]
            if eagerly:
                for call in eager_calls[1:]:
                    self._attempt(call, self._eager)
            for finish in pending:
                finish()
            for transform, group in together if self.singly else ():
                for call in group:
                    self._traced(transform, [call], pool)()
            for call in groups.pop("proof", []):
                self._attempt(call, self._measured)
            for call in groups.pop("draws", []):
                self._attempt(call, self._draws)
            for call in groups.pop("traces", []):
                self._attempt(call, self._traces)
            for call in groups.pop("state", []):
                self._attempt(call, self._state)
            self._look_for_leaks(groups.pop("leaks", []))
            for call in groups.pop("again", []):
                self._attempt(call, self._again if eagerly else functools.partial(self._again, through=jit))

    def _attempt(self, call: Call, action: Callable[[Call], Outcome]) -> None:
        self.started(call.transform, call.id)
        try:
            outcome = action(call)
        except BaseException as error:  # sys.exit() in a stub is an outcome too
            outcome = Outcome(failure=self.fail(error))
            self.failed = True
        self.emit(call, outcome)
        if outcome.failure and outcome.failure.exhausting:
            raise Exhausted

    def _target(self, call: Call):
        target = self.targets.get(call.form_key)
        if target is None or call.given and not target.has_values:
            target = self.targets[call.form_key] = self._made(call)
        return target

    def _made(self, call: Call):
        if self._without_values(call):
            try:
                target = target_for(self.find_anew, call.form, self.driver, values=False)
            except PutAway:
                self.anew = None
                self.targets.clear()
            else:
                if target.has_values:
                    self.with_values.add(call.check.entry)
                return target
        return target_for(self.find, call.form, self.driver)

    def _without_values(self, call: Call) -> bool:
        """Whether a module may be made without its initial values: of another import of the file, if there can be
        one."""
        needed = call.given or call.check.entry in self.with_values
        if self.anew is None or needed or call.driver or not call.module:
            return False
        try:
            self.find_anew = self.find_anew or self.anew()
        except BaseException:  # what can be done once only is no fault
            self.anew = None
        return self.anew is not None

    def _arguments(self, call: Call, draw: int | None = None):
        """The call's arrays on the device; equal arrays are one object, as when a caller passes `x, x, x`."""
        cast = (lambda a: a.astype(np.float64) if a.dtype.kind == "f" else a) if self.double else (lambda a: a)
        seen: dict = {}

        def placed(array):
            key = (array.shape, array.dtype.name, array.tobytes())
            if key not in seen:
                seen[key] = jnp.asarray(cast(array))
            return seen[key]

        return (
            {name: placed(array) for name, array in call.params.items()},
            {name: placed(array if draw is None else array[draw]) for name, array in call.arrays.items()},
        )

    def _eager(self, call: Call) -> Outcome:
        value = self._target(call)(*self._arguments(call))
        # What follows from no array is a constant, and a NumPy array as good a one as any.
        return describe(
            value
            if call.arrays
            else jax.tree.map(lambda leaf: jnp.asarray(leaf) if type(leaf) is np.ndarray else leaf, value)
        )

    def _parameters(self, call: Call) -> Outcome:
        target = self._target(call)
        return self._variables(target.variables(), target.initial(call.given))

    def _state(self, call: Call) -> Outcome:
        return self._variables(self._target(call).variables_after(*self._arguments(call)))

    def _variables(self, variables, initial=MappingProxyType({})) -> Outcome:
        """The table of variables; what is said of one whose value is there ends with True."""
        leaves = {name: np.asarray(value) for name, value in initial.items()}
        return Outcome(
            [
                "variables",
                [
                    [cut(name), cut(kind), list(shape), dtype, *([True] if name in leaves else [])]
                    for name, kind, shape, dtype in variables
                ],
            ],
            leaves,
        )

    def _traced(self, transform: str, calls: list[Call], pool) -> Callable[[], None]:
        """Traces each distinct program of the calls, starts to compile them as one, and returns what runs and reports
        them."""
        programs: dict[str, tuple] = {}
        members: dict[str, list[Call]] = {}
        for call in calls:
            key = call.program_key
            try:
                if key not in programs:
                    self.started(transform, call.id)
                    traced = self._trace(transform, call, self._arguments(call))
                    programs[key] = traced.jaxpr, jax.tree.structure(traced.out_info)
                    self.programs["jit" if transform == "eager" else transform, key] = traced.jaxpr
                self._hand_over(call)
                members.setdefault(key, []).append(call)
            except BaseException as error:
                self.failed = True
                if transform == "eager":
                    self._attempt(call, self._eager)
                else:
                    self.emit(call, Outcome(failure=self.fail(error)))

        def finish():
            for turn in range(max(map(len, members.values()), default=0)):
                batch = {key: group[min(turn, len(group) - 1)] for key, group in members.items()}
                leaves = [jax.tree.leaves(self._arguments(call)) for call in batch.values()]
                self.started(transform, *(call.id for key, call in batch.items() if turn < len(members[key])))
                try:
                    outputs = jax.block_until_ready(compiled.result()(leaves))
                except Exception:  # one part is at fault: find out which, one by one
                    outputs = [
                        functools.partial(jit(jaxpr_as_fun(programs[key][0])), *flat)
                        for key, flat in zip(batch, leaves)
                    ]
                for (key, call), flat in zip(batch.items(), outputs):
                    if turn < len(members[key]):
                        self.emit(call, self._finished(flat, programs[key][1]))

        if not programs:
            return lambda: None
        try:
            lowered = jit(
                lambda leaves: [jaxpr_as_fun(jaxpr)(*flat) for (jaxpr, _), flat in zip(programs.values(), leaves)]
            ).lower([jax.tree.leaves(self._arguments(group[0])) for group in members.values()])
            compiled = pool.submit(lowered.compile)
        except Exception as error:  # `finish` finds out which part is at fault
            compiled = concurrent.futures.Future()
            compiled.set_exception(error)
        return finish

    def _trace(self, transform: str, call: Call, arguments):
        make = (
            transforms.grad_in_two
            if transform == "grad" and call.program_key in self.in_two
            else transforms.TRACED.get(transform, transforms.eager)
        )
        traced = jit(make(self._target(call), call.seed)).trace(*arguments)
        if len(traced.jaxpr.in_avals) != len(jax.tree.leaves(arguments)) or any(
            isinstance(const, Tracer) for const in traced.jaxpr.consts
        ):
            raise jax.errors.UnexpectedTracerError("it uses a tracer of another trace")
        return traced

    def _measured(self, call: Call) -> Outcome:
        """Facts about a call's program: the very one whose outputs are compared, where there is one. With `carry` the
        program itself goes out instead."""
        from grader.program import measure

        arguments, interpret = self._arguments(call), measure.interpretation(call)
        if interpret is not None and not self.carry:
            target = target_for(self.find, call.with_static(interpret=interpret).form, self.driver)
            return Outcome(["facts", measure.of_kernel(target, arguments, call, self.path)])
        key = call.measure["under"], call.program_key
        if key not in self.programs:
            self.programs[key] = self._trace(call.measure["under"], call, arguments).jaxpr
        if not self.carry:
            return Outcome(["facts", measure.of_program(self.programs[key], call, self.path)])
        self._hand_over(call)
        return Outcome(["facts", {}])

    def _hand_over(self, call: Call) -> None:
        """Carries the program of a call that is judged by what its program is found to be, or to give."""
        key = call.measure.get("under"), call.program_key
        if self.carry and call.measure and key not in self.carried:
            self.carry(call, self.programs[key])
            self.carried.add(key)

    def _finished(self, flat, structure) -> Outcome:
        try:
            return describe(jax.tree.unflatten(structure, flat() if callable(flat) else flat))
        except Exception as error:
            return Outcome(failure=self.fail(error))

    def _traces(self, call: Call) -> Outcome:
        """How often the body is traced over two calls, or over the steps of two sequences, with the same shapes; if
        more than once, why."""
        target, count = self._target(call), 0
        if isinstance(target, ModuleTarget):
            nnx, seen = target.nnx, []

            @nnx.jit
            def step(module, arrays):
                seen.append(_facts_of(nnx, module))
                return target.call_module(module, arrays)

            module = target.loaded(self._arguments(call)[0])
            for draw in (0, 1):
                params, arrays = self._arguments(call, draw)
                if call.steps:
                    module = target.loaded(params)
                outputs = [step(module, part) for part in target.parts(arrays)]
            changed = {"change": _change(*seen[:2])} if len(seen) > 1 else {}
            return describe({"output": target.told(outputs, module), "traces": jnp.int32(len(seen)), **changed})

        def counted(params, arrays):
            nonlocal count
            count += 1
            return target(params, arrays)

        program = jit(counted)
        for draw in (0, 1):
            program.trace(*self._arguments(call, draw))
        return describe({"traces": jnp.int32(count)})

    def _draws(self, call: Call) -> Outcome:
        """What many keys draw, everything else being the same. What asks for values draws with a few keys one by one: a
        case that need not be traced is not to be traced for a claim about it."""
        key = "draws", call.program_key
        if key not in self.programs:
            self.programs[key] = jit(
                jax.vmap(
                    self._target(call), in_axes=(None, {path: 0 if path in call.keys else None for path in call.arrays})
                )
            )
        params, arrays = self._arguments(call)
        keys = min(len(arrays[path]) for path in call.keys)
        try:
            return describe(self.programs[key](params, arrays))
        except ASKS_FOR_VALUES:
            if keys > ONE_BY_ONE:
                raise
        drawn = [
            self._target(call)(params, {path: a[i] if path in call.keys else a for path, a in arrays.items()})
            for i in range(keys)
        ]
        return describe(jax.tree.map(lambda *draws: jnp.stack(draws), *drawn))

    def _again(self, call: Call, through: Callable = lambda target: target) -> Outcome:
        """What a call gives whose first array is the very object of an earlier call, and what the earlier call gives
        when it is made again."""
        target = through(self._target(call))
        params, arrays = self._arguments(call, 0)
        _, others = self._arguments(call, 1)
        before = target(params, arrays)
        first = next(iter(arrays))
        shared = {**others, first: arrays[first]} if len(arrays) > 1 else others
        return describe(
            {"other": target(params, shared), "again": target(params, arrays)}
            | ({"before": before} if call.keys else {})
        )

    def _look_for_leaks(self, calls: list[Call]) -> None:
        """To look at all living objects is what takes long. One look serves all calls, and only where it finds anything
        has each a look of its own."""
        if len(calls) > 1 and not self.singly and self._leave_nothing(calls):
            for call in calls:
                self.emit(call, describe({"leaked": jnp.int32(0)}))
        else:
            for call in calls:
                self._attempt(call, self._leaks)

    def _leave_nothing(self, calls: list[Call]) -> bool:
        try:
            return not self._left_by(calls)
        except BaseException:  # each by itself shows whose it is
            return False

    def _leaks(self, call: Call) -> Outcome:
        return describe({"leaked": jnp.int32(self._left_by([call]))})

    def _left_by(self, calls: list[Call]) -> int:
        """How many tracers outlive the traces that made them, found among all living objects. Those that JAX's own
        caches hold are no leak, nor those that JAX keeps of a trace that failed: after a failure only what these calls
        leave counts."""
        before = _living_tracers() if self.failed else self.left_over
        for call in calls:
            self.started("leaks", call.id)
            target = self._target(call)
            jit(lambda params, arrays: target(params, arrays)).trace(*self._arguments(call))
        left = _living_tracers().keys() - before.keys()
        if left:
            jax.clear_caches()
            left = _living_tracers().keys() - before.keys()
        return len(left)


def _living_tracers() -> dict[int, Tracer]:
    """By their ids. Who keeps them keeps others from getting these ids."""
    collect()
    return {id(item): item for item in get_objects() if issubclass(type(item), Tracer)}


class _Change(tuple):
    """In an Outcome's structure: what a second trace found otherwise than the first, by name, with what it was and what
    it is."""


def _facts_of(nnx, module) -> dict[str, str]:
    """What a trace depends on: the shape and dtype of each variable, and each plain Python attribute, by path."""
    facts = {}
    for path, node in nnx.iter_graph(module):
        name = ".".join(map(str, path))
        if isinstance(node, nnx.Variable):
            facts[name] = f"{node[...].dtype} {tuple(node[...].shape)}"
        elif isinstance(node, nnx.Module):
            facts |= {
                f"{name}.{key}".strip("."): repr(value)[:60]
                for key, value in vars(node).items()
                if isinstance(value, (bool, int, float, str, tuple, type(None))) and not key.startswith("_")
            }
    return facts


def _change(first: dict[str, str], second: dict[str, str]) -> _Change:
    for name in [*first, *second]:
        one, other = first.get(name, ""), second.get(name, "")
        if one != other:
            return _Change(map(cut, (name, one, other)))
    return _Change(("", "", ""))


def describe(value) -> Outcome:
    """An Outcome from whatever was returned: the structure by name, the arrays by path."""
    leaves: dict[str, np.ndarray] = {}

    def leaf(item, path):
        if isinstance(item, Tracer):
            return "tracer"
        if issubclass(type(item), jax.Array):  # whatever it says of itself
            is_key = jax.dtypes.issubdtype(item.dtype, jax.dtypes.prng_key)
            leaves[path] = np.asarray(jax.random.key_data(item) if is_key else item)
            if leaves[path].nbytes > LARGEST:
                raise MemoryError
            return "key" if is_key else "array"
        if item is None:
            return "None"
        if isinstance(item, (np.ndarray, np.generic)):
            return "NumPy array"
        if isinstance(item, (bool, int, float, complex, str)):
            return f"Python {word(type(item).__name__)}"
        return f"{word(str(type(item).__module__))}.{word(type(item).__qualname__)} object".removeprefix("builtins.")

    if isinstance(value, dict) and type(value.get("change")) is _Change:
        changed = value.pop("change")
        structure = take_apart(value, leaf, name_of=cut)
        return Outcome(["dict", [*structure[1], ["change", ["change", [*changed]]]]], leaves)
    return Outcome(take_apart(value, leaf, name_of=cut), leaves)
