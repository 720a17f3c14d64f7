"""What is called: a function as it is, or a module as the pure function of (params, arrays) that transforms act on.

A target is made for the form of a call, so that it cannot depend on anything that two calls of one form do not share.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable

import jax
import numpy as np

from grader.course.calls import RNGS, Call, received
from grader.course.cases import Given
from grader.run.drive import AXIS_OF_ROWS, DRIVES
from grader.run.shapes import split_without_values

PLAIN = "array"  # the kind of what is held beside the variables


class ParameterMismatch(Exception):
    """The module does not hold the parameters of the contract, so the case's values cannot be loaded."""


class FunctionTarget:
    """A student's function (or the reference, or a mistake) under the static arguments of a form."""

    has_values = True

    def __init__(self, function, form: Call, driver=None):
        self.function, self.form, self.driver = function, form, driver

    def __call__(self, params, arrays):
        return pass_arguments(
            self.function, arguments_of(self.form, arrays, self.driver), self.form.by_name, self.form.keyword_only
        )


class Names:
    """What the student wrote (or the reference, or one mistake among the reference's), by name: what a driver
    drives."""

    def __init__(self, find):
        self._find = find

    def __getattr__(self, name: str):
        return self._find(name)


class ModuleTarget:
    """A module class, constructed once for the constructor arguments of a form; with its initial `values`, or without
    them where that is the same."""

    def __init__(self, cls, form: Call, driver=None, values: bool = True):
        from flax import nnx

        self.nnx, self.form, self.driver = nnx, form, driver

        def make(rngs):
            init = {name: given(value, driver) for name, value in form.init.items()}
            module = pass_arguments(cls, init, form.by_name, rngs=rngs)
            if form.mode:
                getattr(module, form.mode)()
            return module

        split = None if values else split_without_values(nnx, make)
        self.has_values = split is None
        self.graphdef, state = split or nnx.split(make(nnx.Rngs(0)))
        self.flat = list(nnx.to_flat_state(state))

    def variables(self) -> list[tuple[str, str, tuple[int, ...], str]]:
        """Path, kind, shape and dtype of every variable that the module holds, and of every array beside them:
        `nnx.split` hands out both as state."""
        return self._described(self.flat)

    def initial(self, names) -> dict:
        """What those of the named variables hold that are there, by path."""
        return {_dotted(path): _value(variable) for path, variable in self.flat if _dotted(path) in names}

    def _described(self, variables):
        return sorted(
            (_dotted(path), _kind(self.nnx, variable), _shape(value), _dtype(value))
            for path, variable in variables
            for value in [_value(variable)]
        )

    def loaded(self, params, rngs=None):
        """The module with these parameters, and with streams that draw from the key whose data is `rngs`."""
        own = {name: shape for name, kind, shape, _ in self.variables() if kind == "Param"}
        if own != {name: tuple(array.shape) for name, array in params.items()}:
            raise ParameterMismatch
        double = any(array.dtype == "float64" for array in params.values())
        flat = []
        for path, variable in self.flat:
            if _dotted(path) in params:
                variable = variable.replace(params[_dotted(path)])
            elif rngs is not None and isinstance(variable, self.nnx.RngKey):
                variable = variable.replace(jax.random.fold_in(jax.random.wrap_key_data(rngs), len(flat)))
            elif (
                double
                and isinstance(variable, self.nnx.Variable)
                and jax.numpy.issubdtype(variable[...].dtype, jax.numpy.floating)
            ):
                # the exact answer goes through exact caches
                variable = variable.replace(variable[...].astype("float64"))
            flat.append((path, variable))
        # a cache that a call fills is empty for the next
        return self.nnx.merge(self.graphdef, self.nnx.from_flat_state(flat), copy=True)

    def parts(self, arrays) -> list[dict]:
        """The arrays of each call: all of them, or the rows of each step, or its one row."""
        if not self.form.steps:
            return [arrays]
        ends = list(itertools.accumulate(self.form.steps))
        axis = AXIS_OF_ROWS.get(self.form.drive, 0)
        return [
            {
                name: jax.lax.index_in_dim(a, end - size, axis, keepdims=False)
                if self.form.by_row
                else jax.lax.slice_in_dim(a, end - size, end, axis=axis)
                for name, a in arrays.items()
            }
            for size, end in zip(self.form.steps, ends)
        ]

    def call_module(self, module, arrays):
        return pass_arguments(module, arguments_of(self.form, arrays, self.driver), self.form.by_name)

    def told(self, outputs: list, module):
        """What the calls gave, and what the module holds beside its parameters afterwards, but for what is free."""
        output = outputs if self.form.steps else outputs[0]
        others = {
            _dotted(path): _value(variable)
            for path, variable in self.held(module)
            if isinstance(variable, self.nnx.Variable)
            and not isinstance(variable, self.nnx.Param)
            and _dotted(path) not in self.form.free
        }
        return {"output": output, "variables": others} if others else output

    def held(self, module) -> list[tuple]:
        return list(self.nnx.to_flat_state(self.nnx.split(module)[1]))

    def __call__(self, params, arrays):
        arrays = dict(arrays)
        module = self.loaded(params, arrays.pop(RNGS, None))
        return self.told(*DRIVES[self.form.drive](self.nnx, self.call_module, module, self.parts(arrays)))

    def variables_after(self, params, arrays):
        """As `variables`, once the calls are done."""
        module = self.loaded(params)
        for part in self.parts(arrays):
            self.call_module(module, part)
        return self._described(self.held(module))


def target_for(find: Callable, form: Call, driver=None, values: bool = True):
    """What is called for a form: what `find(name)` gives, or the function of the problem's `driver` that drives it. A
    module may be made without its initial `values`."""
    if form.driver:
        return FunctionTarget(functools.partial(getattr(driver, form.driver), Names(find)), form, driver)
    found = find(form.check.entry)
    return ModuleTarget(found, form, driver, values) if form.module else FunctionTarget(found, form, driver)


def arguments_of(form: Call, arrays, driver) -> dict:
    """The arguments as they are passed: keys are typed, what the problem gives is itself, dataclasses are registered
    with JAX."""
    arguments = form.arguments(
        arrays, key=jax.random.wrap_key_data, static=lambda value: given(received(value), driver), dataclass=_dataclass
    )
    return {name: given(value, driver) for name, value in arguments.items()}


def given(value, driver):
    return getattr(driver, value.name) if isinstance(value, Given) else value


@functools.cache
def _dataclass(name: str, fields: tuple[str, ...], static: tuple[str, ...]) -> type:
    made = dataclasses.make_dataclass(name, fields, frozen=True)
    return jax.tree_util.register_dataclass(made, [field for field in fields if field not in static], [*static])


def pass_arguments(callee, arguments: dict, by_name: bool, keyword_only=(), **always):
    if by_name:
        return callee(**arguments, **always)
    named = {name: arguments[name] for name in keyword_only if name in arguments}
    return callee(*(value for name, value in arguments.items() if name not in named), **named, **always)


def _value(variable):
    """What a variable holds: an array, or the Python number that somebody put there instead. An array beside the
    variables is itself."""
    if not hasattr(variable, "get_value"):
        return variable
    try:
        return variable[...]
    except TypeError:
        return variable.get_value()


def _kind(nnx, variable) -> str:
    return (
        "Param"
        if isinstance(variable, nnx.Param)
        else type(variable).__name__
        if isinstance(variable, nnx.Variable)
        else PLAIN
    )


def _shape(value) -> tuple[int, ...]:
    return value.shape if isinstance(value, jax.ShapeDtypeStruct) else np.shape(value)


def _dtype(value) -> str:
    if not hasattr(value, "dtype"):
        return f"Python {type(value).__name__}"
    return "key" if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key) else str(value.dtype)


def _dotted(path) -> str:
    return ".".join(str(part) for part in path)
