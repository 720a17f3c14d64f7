"""A traced program as plain data, which one process writes (`carry.py`) and another traces anew (`rebuild.py`), without
believing a word of it.

A program is an object: `consts` names arrays, `ins` gives shape, dtype and weak type of each input, `outs` are
operands, and `steps` are lists of a primitive's name, its operands, its parameters, and the line in the sender's file.
An operand is the number of a value (the constants come first, then the inputs, then what each step makes) or a number
as `[value, dtype, weak type]`. No shape of what a step makes is ever written: it follows.

What does not matter for the values is left out: shardings, gradient rules, what a print prints. So a program that comes
back is made of JAX's own primitives and of nothing else, and what is judged are its facts and its outputs. Whoever
sends a program that is right and economical has solved the problem, whatever code produced it.
"""

from __future__ import annotations

import functools

import jax
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu, triton
from jax.extend.core import Primitive, primitives

from grader.course.outside import OUTSIDE
from grader.program.read import OPAQUE

# of one program: equations, programs in one another, parts of parameters
STEPS, DEPTH, NODES = 20_000, 40, 400_000
ELEMENTS = 1 << 28  # of one array
CONSTANTS = 16 << 20  # bytes of all constants
SILENT = ("debug_callback", "debug_print")  # print, and make nothing
UNCHANGED = ("device_put", "sharding_constraint")  # say where an array lies; here there is one place


class NotCarried(Exception):
    """A program, right or wrong, that these means do not write or rebuild; the message says which part of it."""


def quoted(error: BaseException) -> str:
    """An exception of JAX's within a sentence of ours. What it said is a quotation: it may repeat words of the
    student's."""
    said = str(error).strip().splitlines()
    return type(error).__name__ + (f', "{said[0][:200].replace(chr(34), chr(39))}"' if said else "")


class Malformed(Exception):
    """Data that `carry` does not write."""


@functools.cache
def known_primitives() -> dict[str, Primitive]:
    """The pure primitives of JAX, by name: all that a program may be made of, beside loops, branches, calls and
    kernels."""
    # split, stack and their like are in no public table
    from jax._src.lax import lax as core_of_lax
    from jax._src.lax import slicing
    from jax._src.pallas import primitives as of_kernels
    from jax._src.state import primitives as of_refs

    found = {}
    for place in (of_kernels, of_refs, slicing, core_of_lax, primitives):
        found |= {value.name: value for value in vars(place).values() if isinstance(value, Primitive)}
    # what makes a key of data, and data of a key, is in none at all
    of_keys = jax.make_jaxpr(lambda data: jax.random.key_data(jax.random.clone(jax.random.wrap_key_data(data))))(
        np.zeros(2, np.uint32)
    )
    found |= {equation.primitive.name: equation.primitive for equation in of_keys.eqns}
    return {
        name: primitive for name, primitive in found.items() if name not in (*OUTSIDE, *UNCHANGED, *OPAQUE, *SILENT)
    }


@functools.cache
def known_classes() -> dict[str, type]:
    """The classes of JAX whose instances are parameters: enumerations, named tuples and dataclasses, made of plain
    data."""
    from jax._src.state import indexing

    places = {"lax": lax, "memory": jax.memory, "refs": indexing, "pallas": pl, "tpu": tpu, "triton": triton}
    names = """lax.GatherDimensionNumbers lax.ScatterDimensionNumbers lax.GatherScatterMode lax.ConvDimensionNumbers lax.Precision lax.DotAlgorithm
               lax.DotAlgorithmPreset lax.RoundingMethod lax.RandomAlgorithm lax.RaggedDotDimensionNumbers lax.AccuracyMode lax.Tolerance lax.FftType
               memory.Space refs.NDIndexer refs.Slice pallas.Blocked pallas.Squeezed pallas.Element pallas.BoundedSlice pallas.Buffered pallas.MemorySpace
               tpu.CompilerParams tpu.MemorySpace tpu.GridDimensionSemantics triton.CompilerParams""".split()  # noqa: E501
    found = {name: getattr(places[name.split(".")[0]], name.split(".")[1], None) for name in names}
    return {name: cls for name, cls in found.items() if cls is not None}


class Leaf:
    """Stands for an operand in a tree."""

    def __init__(self, number: int):
        self.number = number


def is_key(dtype) -> bool:
    """Whether a dtype is that of random keys."""
    return jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)
