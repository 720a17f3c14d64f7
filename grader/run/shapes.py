"""A module that is made without its initial values. Those of a case take their place, and to draw them is most of what
it takes to make a module: so the constructor is traced, and only shapes are kept.

Nobody should notice. What holds more than parameters, asks for a value, prints or raises is made as usual. And what a
constructor puts away, in a cache of the file's say, would be a tracer of this trace, which nobody could use: then the
trace outlives what was traced, and that is seen.
"""

from __future__ import annotations

import contextlib
import gc
import io
import weakref
from collections.abc import Callable

import jax


class PutAway(Exception):
    """The file keeps something of the trace: this import of it is of no more use."""


def split_without_values(nnx, make: Callable) -> tuple | None:
    """What `nnx.split` gives of the module that `make(rngs)` makes, with shapes in the place of values; None where it
    has to be made with them. Raises PutAway."""
    trace, graphdef, printed = None, None, io.StringIO()

    def shapes(key):
        nonlocal trace, graphdef
        trace = weakref.ref(key._trace)
        graphdef, state = nnx.split(make(nnx.Rngs(key)))
        held = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, nnx.Variable))
        if not all(isinstance(one, nnx.Param) and isinstance(one.get_value(), jax.Array) for one in held):
            graphdef = None
        return state

    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            program, state = jax.make_jaxpr(shapes, return_shape=True)(jax.random.key(0))
        graphdef = None if program.effects else graphdef
    except BaseException:  # what is wrong it says again when it is made as usual
        graphdef = state = None
    if trace and trace():
        gc.collect()  # what holds it in a circle goes
    if trace and trace():
        graphdef = state = None  # and what the module itself holds of it
        gc.collect()
        if trace():
            raise PutAway
    return None if graphdef is None or printed.getvalue() else (graphdef, state)
