"""The ways in which callers take a module that keeps state through a sequence, one part of it a call.

Each takes nnx, `call(module, part)`, the module and the parts, and returns the outputs and the module as it is
afterwards.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def by_hand(nnx, call, module, parts):
    """The module changes in place, from call to call."""
    return [call(module, part) for part in parts], module


def with_nnx_jit(nnx, call, module, parts):
    """`nnx.jit` carries the changes out of the compiled step."""
    step = nnx.jit(call)
    return [step(module, part) for part in parts], module


def with_jax_jit(nnx, call, module, parts):
    """The state goes in and out of the compiled step by hand, with split and merge."""
    graphdef, state = nnx.split(module)
    step = jax.jit(_pure(nnx, call, graphdef))
    outputs = []
    for part in parts:
        state, output = step(state, part)
        outputs.append(output)
    return outputs, nnx.merge(graphdef, state)


def with_scan(nnx, call, module, parts):
    """The state is the carry of a `lax.scan` over parts of one size."""
    graphdef, state = nnx.split(module)
    stacked = jax.tree.map(lambda *rows: jnp.stack(rows), *parts)
    state, outputs = jax.lax.scan(_pure(nnx, call, graphdef), state, stacked)
    return [jax.tree.map(lambda rows, step=step: rows[step], outputs) for step in range(len(parts))], nnx.merge(
        graphdef, state
    )


def with_vmap(nnx, call, module, parts):
    """Each sequence of a batch, along the arrays' first axis, has a state of its own; the parameters are shared."""
    graphdef, params, state = nnx.split(module, nnx.Param, ...)
    batch = len(next(iter(parts[0].values())))
    state = jax.tree.map(lambda a: jnp.broadcast_to(a, (batch, *jnp.shape(a))), state)

    def step(state, part):
        module = nnx.merge(graphdef, params, state, copy=True)  # a variable of outside must not be written to
        output = call(module, part)
        return nnx.split(module, nnx.Param, ...)[2], output

    outputs = []
    for part in parts:
        state, output = jax.vmap(step)(state, part)
        outputs.append(output)
    return outputs, nnx.merge(graphdef, params, state)


def _pure(nnx, call, graphdef):
    def step(state, part):
        module = nnx.merge(graphdef, state)
        output = call(module, part)
        return nnx.split(module)[1], output

    return step


DRIVES = {
    "by hand": by_hand,
    "nnx.jit": with_nnx_jit,
    "jax.jit": with_jax_jit,
    "lax.scan": with_scan,
    "jax.vmap": with_vmap,
}
AXIS_OF_ROWS = {"jax.vmap": 1}  # 0 elsewhere
