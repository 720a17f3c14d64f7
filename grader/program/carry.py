"""Writes a traced program as the data that `carried.py` describes. It runs beside student code, so nothing that it says
is believed."""

from __future__ import annotations

import dataclasses
import enum

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from grader.program.carried import (
    CONSTANTS,
    SILENT,
    STEPS,
    UNCHANGED,
    Leaf,
    NotCarried,
    is_key,
    known_classes,
    known_primitives,
)
from grader.program.read import OPAQUE, line_of, scan_layout


def carry(closed, path: str = "") -> tuple[dict, dict[str, np.ndarray]]:
    """The program as a message and arrays for `wire.py`, with lines of the file at `path`. Raises NotCarried where
    something in it has no form."""
    writer = _Writer(path)
    return {"program": writer.program(closed)}, writer.arrays


class _Writer:
    def __init__(self, path: str):
        self.path, self.arrays, self.steps = path, {}, 0
        self._names: dict[int, tuple] = {}  # by id, each beside its array, so that no id is used twice
        self._classes = {cls: name for name, cls in known_classes().items()}

    def program(self, closed) -> dict:
        jaxpr = closed.jaxpr if isinstance(closed, ClosedJaxpr) else closed
        consts = list(getattr(closed, "consts", ()))
        if len(consts) != len(jaxpr.constvars):
            raise NotCarried("a kernel that closes over an array")
        numbers = {var: number for number, var in enumerate([*jaxpr.constvars, *jaxpr.invars])}
        count, steps = len(numbers), []
        for equation in jaxpr.eqns:
            if equation.primitive.name in SILENT and not equation.outvars:
                continue
            if equation.primitive.name in UNCHANGED:
                numbers |= {var: self._operand(same, numbers) for same, var in zip(equation.invars, equation.outvars)}
                continue
            steps.append(self._step(equation, [self._operand(var, numbers) for var in equation.invars]))
            numbers |= {var: count + number for number, var in enumerate(equation.outvars)}
            count += len(equation.outvars)
        return dict(
            consts=[self._array(value) for value in consts],
            ins=[_aval(var.aval) for var in jaxpr.invars],
            steps=steps,
            outs=[self._operand(var, numbers) for var in jaxpr.outvars],
        )

    def _step(self, equation, operands: list) -> list:
        self.steps += 1
        if self.steps > STEPS:
            raise NotCarried("a program of so many steps")
        name = equation.primitive.name
        if name in OPAQUE:
            parameters = dict(makes=[_aval(var.aval) for var in equation.outvars])
        elif name in WAYS:
            parameters = WAYS[name](self, equation)
        elif name in known_primitives():
            parameters = {
                key: self.value(value, name)
                for key, value in equation.params.items()
                if (name, key) != ("reduce", "computation")
            }
        else:
            raise NotCarried(f"`{name}`")
        line = line_of(equation, self.path)
        return [name, operands, parameters, line and list(line[:2])]

    def _operand(self, var, numbers: dict):
        if not isinstance(var, Literal):
            return numbers[var]
        value = np.asarray(var.val)
        if value.ndim or value.dtype.kind == "c":
            return [self._array(var.val), "array", False]
        return [
            value.item() if value.dtype.kind in "biu" else float(value),
            var.aval.dtype.name,
            bool(var.aval.weak_type),
        ]

    def _array(self, value) -> str | list[str]:
        """The name under which an array is sent; of random keys beside that of their generator."""
        if id(value) not in self._names:
            name = str(len(self._names))
            keys = hasattr(value, "dtype") and is_key(value.dtype)
            self.arrays[name] = np.asarray(jax.random.key_data(value) if keys else value)
            self._names[id(value)] = [name, _generator(value.dtype)] if keys else name, value
            if sum(array.nbytes for array in self.arrays.values()) > CONSTANTS:
                raise NotCarried("a constant of such a size")
        return self._names[id(value)][0]

    def value(self, value, where: str):
        """A parameter as JSON: plain values as they are, others as an object that says what they are."""
        if type(value) in self._classes:
            return {"class": self._classes[type(value)]} | self._contents(value, where)
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, np.bool_):
            return bool(value)
        if isinstance(value, (int, np.integer)):
            return int(value)
        if isinstance(value, (float, np.floating)):
            return float(value)
        if type(value) in (tuple, list):
            return {type(value).__name__: [self.value(part, where) for part in value]}
        if isinstance(value, np.dtype):
            return {"dtype": value.name}
        if isinstance(value, (Jaxpr, ClosedJaxpr)):
            return {"program": self.program(value), "open": not isinstance(value, ClosedJaxpr)}
        if isinstance(value, jax.tree_util.PyTreeDef):
            return {"tree": self.value(jax.tree.unflatten(value, map(Leaf, range(value.num_leaves))), where)}
        if isinstance(value, Leaf):
            return {"leaf": value.number}
        if isinstance(value, (np.ndarray, np.generic, jax.Array)):
            return {"array": self._array(value)}
        if isinstance(value, jax.sharding.Sharding):
            return None  # there is one place where an array can lie
        if type(value).__name__ == "PRNGImpl":
            return {"generator": value.name}
        if isinstance(value, jax.dtypes.ExtendedDType) and is_key(value):
            return {"keys": _generator(value)}
        raise NotCarried(f"`{where}` with a `{type(value).__name__}`")

    def _contents(self, value, where: str) -> dict:
        if isinstance(value, enum.Enum):
            return {"member": value.name}
        if hasattr(value, "_asdict"):
            return {"fields": {name: self.value(part, where) for name, part in value._asdict().items()}}
        fields = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if field.init and not _is_default(field, value)
        }
        return {"fields": {name: self.value(part, where) for name, part in fields.items()}}


def _aval(aval) -> list | None:
    """Shape, dtype and weak type; None for what is no array, such as the refs of a kernel."""
    if not isinstance(aval, jax.core.ShapedArray):
        return None
    return [
        [int(size) for size in aval.shape],
        f"key<{_generator(aval.dtype)}>" if is_key(aval.dtype) else aval.dtype.name,
        bool(aval.weak_type),
    ]


def _generator(dtype) -> str:
    return dtype._impl.name


def _is_default(field, owner) -> bool:
    value = getattr(owner, field.name)
    return (
        field.default is value
        or type(field.default) is type(value)
        and isinstance(value, (bool, int, str, tuple))
        and field.default == value
    )


# --- loops, branches, calls and kernels: what they mean, since their parameters change from version to version


def _jit(writer, equation) -> dict:
    return dict(program=writer.program(equation.params["jaxpr"]), name=equation.params["name"])


def _call(writer, equation) -> dict:
    return dict(program=writer.program(equation.params["call_jaxpr"]))


def _remat(writer, equation) -> dict:
    return dict(
        program=writer.program(equation.params["jaxpr"]),
        prevent_cse=bool(equation.params["prevent_cse"]),
        differentiated=bool(equation.params["differentiated"]),
    )


def _scan(writer, equation) -> dict:
    layout, parameters = scan_layout(equation), equation.params
    return dict(
        program=writer.program(parameters["jaxpr"]),
        consts=layout.consts,
        carries=layout.carries,
        length=int(parameters["length"]),
        reverse=bool(parameters["reverse"]),
        unroll=int(parameters["unroll"]) or max(1, int(parameters["length"])),  # 0 stands for all
    )


def _while(writer, equation) -> dict:
    parameters = equation.params
    return dict(
        test=writer.program(parameters["cond_jaxpr"]),
        body=writer.program(parameters["body_jaxpr"]),
        test_consts=parameters["cond_nconsts"],
        body_consts=parameters["body_nconsts"],
    )


def _cond(writer, equation) -> dict:
    return dict(branches=[writer.program(branch) for branch in equation.params["branches"]])


def _kernel(writer, equation) -> dict:
    parameters = equation.params
    mapping, jaxpr = parameters["grid_mapping"], parameters["jaxpr"]
    for what, there in {
        "a mesh": parameters["mesh"],
        "a grid that depends on values": not all(isinstance(size, int) for size in mapping.grid),
    }.items():
        if there:
            raise NotCarried(f"a `pallas_call` with {what}")
    return dict(
        program=writer.program(jaxpr),
        name=parameters["name"],
        grid=list(mapping.grid),
        mapped=list(mapping.vmapped_dims),
        ahead=mapping.num_index_operands,
        ins=mapping.num_inputs,
        blocks=[_block(writer, block) for block in mapping.block_mappings],
        outs=[_aval(aval) for aval in parameters["out_avals"]],
        scratch=[_scratch(writer, aval) for aval in mapping.scratch_avals],
        aliases=[list(pair) for pair in parameters["input_output_aliases"]],
        compiler=writer.value(parameters["compiler_params"], "pallas_call"),
        place=_place_of_kernel(jaxpr, writer.path),
        refs=[str(name) for name in jaxpr.debug_info.arg_names or ()],
    )


def _scoped(writer, equation) -> dict:
    jaxpr = equation.params["jaxpr"]
    if equation.params["collective_axes"] or any(equation.params.get("ref_transforms", ())):
        raise NotCarried(f"`{equation.primitive.name}`")
    inner = jaxpr.replace(
        constvars=[], invars=[*jaxpr.constvars, *jaxpr.invars], debug_info=jaxpr.debug_info.with_unknown_names()
    )
    return dict(program=writer.program(inner), scratch=[_scratch(writer, var.aval) for var in jaxpr.invars])


def _block(writer, block) -> dict:
    if block.transforms:
        raise NotCarried("a `pallas_call` with transformed blocks")
    return dict(
        shape=writer.value(tuple(block.block_shape), "pallas_call"),
        index=writer.program(block.index_map_jaxpr),
        space=writer.value(block.transformed_block_aval.memory_space, "pallas_call"),
        buffered=writer.value(block.pipeline_mode, "pallas_call"),
    )


def _scratch(writer, aval) -> dict:
    if not isinstance(getattr(aval, "inner_aval", None), jax.core.ShapedArray):
        raise NotCarried("a `pallas_call` with scratch that is no array")
    return dict(space=writer.value(aval.memory_space, "pallas_call"), array=_aval(aval.inner_aval))


def _place_of_kernel(jaxpr, path: str) -> list | None:
    """Name and line of the kernel's function, where it is one of the file."""
    name, _, place = str(jaxpr.debug_info.func_src_info or "").partition(" at ")
    file, _, number = place.rpartition(":")
    return [int(number), name] if file == path and number.isdigit() else None


WAYS = {
    "jit": _jit,
    "pjit": _jit,
    "custom_jvp_call": _call,
    "custom_vjp_call": _call,
    "remat2": _remat,
    "checkpoint": _remat,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "pallas_call": _kernel,
    "run_scoped": _scoped,
}
