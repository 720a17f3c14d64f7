"""What is called: a function as it is, or a module as the pure function of (params, arrays) that transforms act on."""

from __future__ import annotations

import jax

from grader.call import Call


class ParameterMismatch(Exception):
    """The module does not hold the parameters of the contract, so the case's values cannot be loaded."""


class FunctionTarget:
    """A student's function (or the reference, or a mistake) under one call's static arguments."""

    def __init__(self, function, call: Call):
        self.function, self.call = function, call

    def __call__(self, params, arrays):
        return pass_arguments(self.function, self.call.arguments(arrays), self.call.by_name)


class ModuleTarget:
    """A module class, constructed once for one call's constructor arguments."""

    def __init__(self, cls, call: Call):
        from flax import nnx

        self.nnx, self.call = nnx, call
        self.module = pass_arguments(cls, call.init, call.by_name, rngs=nnx.Rngs(0))
        self.graphdef, self.state = nnx.split(self.module)
        self.flat = list(nnx.to_flat_state(self.state))

    def variables(self) -> list[tuple[str, str, tuple[int, ...], str]]:
        """Path, kind, shape and dtype of every variable that the module holds."""
        return sorted((_dotted(path), _kind(self.nnx, variable), tuple(variable[...].shape), _dtype(variable[...]))
                      for path, variable in self.flat if isinstance(variable, self.nnx.Variable))

    def loaded(self, params):
        own = {name: shape for name, kind, shape, _ in self.variables() if kind == "Param"}
        if own != {name: tuple(array.shape) for name, array in params.items()}:
            raise ParameterMismatch
        flat = [(path, variable.replace(params[_dotted(path)]) if _dotted(path) in params else variable) for path, variable in self.flat]
        return self.nnx.merge(self.graphdef, self.nnx.from_flat_state(flat), copy=True)     # a cache that a call fills is empty for the next

    def call_module(self, module, arrays):
        return pass_arguments(module, self.call.arguments(arrays), self.call.by_name)

    def __call__(self, params, arrays):
        module = self.loaded(params)
        output = self.call_module(module, arrays)
        state = self.nnx.to_flat_state(self.nnx.split(module)[1])
        others = {_dotted(path): variable[...] for path, variable in state
                  if isinstance(variable, self.nnx.Variable) and _kind(self.nnx, variable) != "Param"}
        return {"output": output, "variables": others} if others else output


def target_for(found, call: Call):
    return (ModuleTarget if call.module else FunctionTarget)(found, call)


def pass_arguments(callee, arguments: dict, by_name: bool, **always):
    return callee(**arguments, **always) if by_name else callee(*arguments.values(), **always)


def _kind(nnx, variable) -> str:
    return "Param" if isinstance(variable, nnx.Param) else type(variable).__name__


def _dtype(value) -> str:
    return "key" if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key) else str(value.dtype)


def _dotted(path) -> str:
    return ".".join(str(part) for part in path)
