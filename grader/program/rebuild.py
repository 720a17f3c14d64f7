"""Traces a program anew from the data that `carried.py` describes, by binding JAX's own primitives, so that every
shape, dtype and effect is computed here.

What is no such data is Malformed. What JAX refuses, or goes beyond the limits, is NotCarried.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import keyword
import linecache
import math
import re
import types
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu
from jax.extend.core import ClosedJaxpr, Primitive

from grader.process.wire import WireError, dtype_of
from grader.program.carried import (
    DEPTH,
    ELEMENTS,
    NODES,
    STEPS,
    Leaf,
    Malformed,
    NotCarried,
    known_classes,
    known_primitives,
    quoted,
)
from grader.program.read import OPAQUE

PARTS = {"consts", "ins", "steps", "outs"}
NAME = re.compile(r"\w{1,80}|<\w{1,80}>")  # of a function
EXACT_WEAK = {"bool": bool, "int32": int, "float32": float}  # what Python's own numbers become


def rebuild(message, arrays: dict[str, np.ndarray], path: str = "") -> ClosedJaxpr:
    """The program that a message describes, its kernels interpreted. Its lines are those of the file at `path`."""
    try:
        reader = _Reader(arrays, path, True)
        data = reader.program(message.get("program") if isinstance(message, dict) else None)
        return jax.make_jaxpr(reader.function(data))(*map(reader.struct, data["ins"]))
    except (NotCarried, Malformed):
        raise
    except (RecursionError, MemoryError) as error:
        raise NotCarried("it is nested too deeply") from error
    except Exception as error:  # of any type: JAX is given what its own functions would not give it
        raise NotCarried(f"JAX does not take it back: {quoted(error)}") from error


def function_of(message: dict, arrays: dict[str, np.ndarray], path: str, interpret) -> Callable:
    """A program that could be rebuilt, as a function that is traced where it is called, which is how a kernel learns of
    its device. Kernels run as `interpret` says, whatever they did before."""
    return lambda *values: _Reader(arrays, path, interpret).function(message["program"])(*values)


def _check(holds, what: str) -> None:
    if not holds:
        raise Malformed(what)


def _whole(value, least: int = 0) -> int:
    _check(type(value) is int and least <= value < 1 << 31, f"{str(value)[:40]} is no such number")
    return value


def _wholes(value) -> tuple[int, ...]:
    return tuple(map(_whole, _list(value)))


def _list(value) -> list:
    _check(type(value) is list, "no list")
    return value


def _small(size: int, unit: str = "elements") -> None:
    if size > ELEMENTS:
        raise NotCarried(f"an array of {size} {unit}")


def _dtype(name):
    _check(isinstance(name, str) and name.isidentifier(), f"there is no dtype {str(name)[:40]}")
    try:
        return dtype_of(name)
    except (WireError, TypeError) as error:
        raise Malformed(f"there is no dtype {name[:40]}") from error


def _keys(generator):
    """The dtype of the random keys of a generator."""
    _check(isinstance(generator, str), "no generator")
    try:
        return jax.random.key(0, impl=generator).dtype
    except ValueError as error:
        raise Malformed(f"there is no generator {generator[:40]}") from error


class _Reader:
    """Turns data into functions that bind what it names."""

    def __init__(self, arrays: dict[str, np.ndarray], path: str, interpret):
        self.arrays, self.path, self.interpret = arrays, path, interpret
        self.lines = len(linecache.getlines(path)) if path else 0
        self.axes: Sequence[int] | None = None  # of the grid of the kernel around, those that it counts
        self.steps = self.depth = self.nodes = 0

    def program(self, data) -> dict:
        _check(
            isinstance(data, dict) and {*data} == PARTS and all(type(part) is list for part in data.values()),
            "no program",
        )
        return data

    def function(self, data, name: str = "", line=None) -> Callable:
        """A program as a function of its inputs that returns a list. It is called `name` and stands in `line`."""
        data = self.program(data)

        def run(*values):
            _check(len(values) == len(data["ins"]), f"{len(values)} values for {len(data['ins'])} inputs")
            self.depth += 1
            if self.depth > DEPTH:
                raise NotCarried(f"more than {DEPTH} programs in one another")
            try:
                made = [*map(self.array, data["consts"]), *values]
                for step in data["steps"]:
                    made += self.step(step, made)
                return [self.operand(operand, made) for operand in data["outs"]]
            finally:
                self.depth -= 1

        return self.placed(run, name, line)

    def traced(self, data, values):
        """A program as a jaxpr, for inputs such as these."""
        like = [
            jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type) for aval in map(jax.typeof, values)
        ]
        return jax.make_jaxpr(self.function(data))(*like)

    def struct(self, aval) -> jax.ShapeDtypeStruct:
        _check(
            type(aval) is list and len(aval) == 3 and isinstance(aval[1], str) and type(aval[2]) is bool,
            "an input that is no array",
        )
        shape = _wholes(aval[0])
        _small(math.prod(shape))
        generator = aval[1].startswith("key<") and aval[1][4:-1]
        return jax.ShapeDtypeStruct(shape, _keys(generator) if generator else _dtype(aval[1]), weak_type=aval[2])

    def step(self, step, made: list) -> list:
        self.steps += 1
        if self.steps > STEPS:
            raise NotCarried(f"more than {STEPS} steps")
        _check(
            type(step) is list and len(step) == 4 and isinstance(step[0], str) and isinstance(step[2], dict), "no step"
        )
        name, operands, parameters, line = step
        values = [self.operand(operand, made) for operand in _list(operands)]
        if name in WAYS:
            keys, way = WAYS[name]
            _check({*parameters} == keys, f"no `{name}`")
            outs = self.placed(way, "", line)(self, values, **parameters)
        elif name in OPAQUE:
            outs = _opaque(name).bind(*values, makes=tuple(map(self.struct, _list(parameters.get("makes")))))
        else:
            _check(name in known_primitives(), f"there is no primitive {name[:40]}")
            primitive = known_primitives()[name]
            outs = self.placed(primitive.bind, "", line)(*values, **self.parameters(name, parameters))
            outs = outs if primitive.multiple_results else [outs]
        for out in outs:
            _small(math.prod(getattr(out, "shape", ())))
        return list(outs)

    def parameters(self, name: str, data: dict) -> dict:
        found = {key: self.value(value) for key, value in data.items()}
        if name == "reduce":
            found["computation"] = _no_function  # it says what `jaxpr` says
        if name in ("program_id", "num_programs") and self.axes is not None:
            _check(_whole(found.get("axis")) < len(self.axes), "an axis that the grid does not have")
            found["axis"] = self.axes[found["axis"]]
        return found

    def operand(self, data, made: list):
        if type(data) is int:
            _check(0 <= data < len(made), f"value {data} is used before it is made")
            return made[data]
        _check(type(data) is list and len(data) == 3 and type(data[2]) is bool, "no operand")
        value, dtype, weak = data
        if dtype == "array":
            return self.array(value)
        _check(type(value) in (bool, int, float), "no number")
        try:
            return EXACT_WEAK[dtype](value) if weak and dtype in EXACT_WEAK else np.asarray(value, _dtype(dtype))[()]
        except (OverflowError, ValueError) as error:
            raise Malformed(f"{value} is no {dtype}") from error

    def array(self, name):
        if type(name) is list:
            _check(len(name) == 2, "no random keys")
            return jax.random.wrap_key_data(self.array(name[0]), impl=_keys(name[1])._impl)
        _check(isinstance(name, str) and name in self.arrays, "an array that did not come")
        return self.arrays[name]

    def value(self, data):
        """A parameter from JSON."""
        self.nodes += 1
        if self.nodes > NODES:
            raise NotCarried(f"more than {NODES} parameters")
        if data is None or type(data) in (bool, int, float, str):
            return data
        _check(isinstance(data, dict) and data, "a parameter of no known form")
        kind, told = next(iter(data.items()))
        if kind in ("tuple", "list"):
            return (tuple if kind == "tuple" else list)(map(self.value, _list(told)))
        if kind == "class":
            return self.instance(told, data)
        if kind == "program":
            closed = jax.make_jaxpr(self.function(told))(*map(self.struct, told["ins"]))
            return closed.jaxpr if data.get("open") is True else closed
        read = {
            "dtype": _dtype,
            "keys": _keys,
            "generator": lambda name: _keys(name)._impl,
            "array": self.array,
            "tree": lambda part: jax.tree.structure(self.value(part)),
            "leaf": lambda number: Leaf(_whole(number)),
        }
        _check(kind in read, f"there is no kind {str(kind)[:40]}")
        return read[kind](told)

    def instance(self, name, data: dict):
        cls = known_classes().get(name) if isinstance(name, str) else None
        _check(cls is not None, f"there is no class {str(name)[:40]}")
        members = getattr(cls, "__members__", None)
        if members is not None:
            _check(isinstance(data.get("member"), str) and data["member"] in members, f"no member of {name}")
            return members[data["member"]]
        fields, known = (
            data.get("fields"),
            getattr(cls, "_fields", None) or [field.name for field in dataclasses.fields(cls)],
        )
        _check(isinstance(fields, dict) and {*fields} <= {*known}, f"no fields of {name}")
        return cls(**{field: self.value(part) for field, part in fields.items()})

    def placed(self, function: Callable, name: str = "", line=None) -> Callable:
        """The function as if called from a line of the file, which JAX then notes. The line is decoration: one that is
        none is left out."""
        if not (
            type(line) is list
            and [type(part) for part in line] == [int, str]
            and 0 < line[0] <= self.lines
            and NAME.fullmatch(line[1])
        ):
            line = None
        if not line and not name:
            return function
        code = _through(None).__code__
        code = (
            code.replace(co_filename=self.path, co_firstlineno=line[0], co_name=line[1], co_qualname=line[1])
            if line
            else code
        )
        return types.FunctionType(code, {}, name or code.co_name, None, (types.CellType(function),))


def _through(function):
    return lambda *values, **options: function(*values, **options)


def _no_function(*_):
    raise NotImplementedError("a rule that is not carried")


@functools.cache
def _opaque(name: str) -> Primitive:
    """A primitive of that name, which makes arrays and cannot be run."""
    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_abstract_eval(
        lambda *_, makes: [jax.core.ShapedArray(struct.shape, struct.dtype) for struct in makes]
    )
    return primitive


# --- loops, branches, calls and kernels, through JAX's public functions


def _jit(reader, values, program, name):
    _check(isinstance(name, str) and len(name) < 200, "no name")
    return jax.jit(reader.function(program, name))(*values)


def _custom_jvp(reader, values, program):
    function = jax.custom_jvp(reader.function(program, "function"))
    function.defjvp(_no_function)
    return function(*values)


def _custom_vjp(reader, values, program):
    function = jax.custom_vjp(reader.function(program, "function"))
    function.defvjp(_no_function, _no_function)
    return function(*values)


def _remat(reader, values, program, prevent_cse, differentiated):
    _check(type(prevent_cse) is bool and type(differentiated) is bool, "no checkpoint")
    primitive = known_primitives()["remat2" if "remat2" in known_primitives() else "checkpoint"]
    closed = reader.traced(program, values)
    return primitive.bind(
        *closed.consts, *values, jaxpr=closed.jaxpr, prevent_cse=prevent_cse, differentiated=differentiated, policy=None
    )


def _scan(reader, values, program, consts, carries, length, reverse, unroll):
    _check(_whole(consts) + _whole(carries) <= len(values) and type(reverse) is bool, "no loop")
    body, fixed = reader.function(program), values[:consts]

    def turn(carry, parts):
        made = body(*fixed, *carry, *parts)
        return made[:carries], made[carries:]

    carry, made = lax.scan(
        turn,
        values[consts : consts + carries],
        values[consts + carries :],
        length=_whole(length),
        reverse=reverse,
        unroll=_whole(unroll, 1),
    )
    return [*carry, *made]


def _while(reader, values, test, body, test_consts, body_consts):
    _check(_whole(test_consts) + _whole(body_consts) <= len(values), "no loop")
    test, body, fixed = reader.function(test), reader.function(body), values[: test_consts + body_consts]

    def goes_on(carry):
        found = test(*fixed[:test_consts], *carry)
        _check(len(found) == 1, "no loop")
        return found[0]

    return lax.while_loop(
        goes_on, lambda carry: body(*fixed[test_consts:], *carry), values[test_consts + body_consts :]
    )


def _cond(reader, values, branches):
    _check(
        values and _list(branches) and jax.typeof(values[0]).shape == () and jax.typeof(values[0]).dtype == np.int32,
        "no branches",
    )
    # in a kernel, over its refs: only JAX can close over them
    if not all(isinstance(jax.typeof(value), jax.core.ShapedArray) for value in values):
        ways = [functools.partial(reader.function(branch), *values[1:]) for branch in branches]
        return lax.cond(values[0] != 0, ways[1], ways[0]) if len(ways) == 2 else lax.switch(values[0], ways)
    traced = tuple(reader.traced(branch, values[1:]) for branch in branches)
    if len({tuple((aval.shape, aval.dtype) for aval in branch.out_avals) for branch in traced}) > 1:
        raise NotCarried("branches that give different arrays")
    return known_primitives()["cond"].bind(*values, branches=traced)


def _kernel(
    reader, values, program, name, grid, mapped, ahead, blocks, ins, outs, scratch, aliases, compiler, place, refs
):
    grid, mapped, outs = _wholes(grid), _wholes(mapped), [reader.struct(aval) for aval in _list(outs)]
    _check(
        _whole(ahead) + _whole(ins) == len(values)
        and len(_list(blocks)) == ins + len(outs)
        and (name is None or isinstance(name, str)),
        "no kernel",
    )
    _check(
        all(isinstance(block, dict) and {*block} == {"shape", "index", "space", "buffered"} for block in blocks),
        "no blocks",
    )
    body = reader.function(program)

    def kernel(*refs):
        around, reader.axes = reader.axes, [axis for axis in range(len(grid)) if axis not in mapped]
        try:
            body(*refs)
        finally:
            reader.axes = around

    def spec(block):
        index = reader.function(block["index"])
        return pl.BlockSpec(
            reader.value(block["shape"]),
            lambda *axes: tuple(index(*axes)),
            memory_space=reader.value(block["space"]),
            pipeline_mode=reader.value(block["buffered"]),
        )

    placed, specs = reader.placed(kernel, "", place), [spec(block) for block in blocks]
    told = [ref for ref in _list(refs) if isinstance(ref, str) and ref.isidentifier() and not keyword.iskeyword(ref)]
    if len({*told}) == len(program["ins"]):  # for messages
        placed.__signature__ = inspect.Signature(
            [inspect.Parameter(ref, inspect.Parameter.POSITIONAL_ONLY) for ref in told]
        )
    form = dict(
        grid=grid,
        in_specs=specs[:ins],
        out_specs=tuple(specs[ins:]),
        scratch_shapes=[_scratch(reader, part) for part in _list(scratch)],
    )
    if ahead:
        form = dict(grid_spec=tpu.PrefetchScalarGridSpec(num_scalar_prefetch=ahead, **form))
    return pl.pallas_call(
        placed,
        out_shape=tuple(outs),
        **form,
        input_output_aliases=dict(map(_wholes, _list(aliases))),
        interpret=reader.interpret,
        name=name,
        compiler_params=reader.value(compiler),
    )(*values)


def _scoped(reader, values, program, scratch):
    return jax.tree.leaves(
        pl.run_scoped(
            lambda *refs: tuple(reader.function(program)(*values, *refs)),
            *(_scratch(reader, part) for part in _list(scratch)),
        )
    )


def _scratch(reader, part):
    _check(isinstance(part, dict) and {*part} == {"space", "array"}, "no scratch")
    struct, space = reader.struct(part["array"]), reader.value(part["space"])
    return (pl.MemorySpace.ANY if space is None else space)(struct.shape, struct.dtype)


WAYS = {
    **dict.fromkeys(("jit", "pjit"), ({"program", "name"}, _jit)),
    "custom_jvp_call": ({"program"}, _custom_jvp),
    "custom_vjp_call": ({"program"}, _custom_vjp),
    **dict.fromkeys(("remat2", "checkpoint"), ({"program", "prevent_cse", "differentiated"}, _remat)),
    "scan": ({"program", "consts", "carries", "length", "reverse", "unroll"}, _scan),
    "while": ({"test", "body", "test_consts", "body_consts"}, _while),
    "cond": ({"branches"}, _cond),
    "pallas_call": (
        {
            "program",
            "name",
            "grid",
            "mapped",
            "ahead",
            "blocks",
            "ins",
            "outs",
            "scratch",
            "aliases",
            "compiler",
            "place",
            "refs",
        },
        _kernel,
    ),
    "run_scoped": ({"program", "scratch"}, _scoped),
}
