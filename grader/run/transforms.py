"""eager, jit, vmap, grad: each turns a pure function of (params, arrays) into another, the same for stub and
reference."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import grad as _grad
from jax import vjp as _vjp
from jax import vmap as _vmap


def eager(function, seed):
    return function


def vmap(function, seed):
    """Over the leading axis of every array; the parameters are shared."""
    return _vmap(function, in_axes=(None, 0))


def grad(function, seed):
    """The gradient of the output's product with a random cotangent, for every floating array and parameter.

    A plain sum would be blind: the rows of a softmax sum to 1 whatever the scores are.
    """

    def gradients(params, arrays):
        smooth = {name: a for name, a in arrays.items() if jnp.issubdtype(a.dtype, jnp.floating)}
        rest = {name: a for name, a in arrays.items() if name not in smooth}

        def product(params, smooth):
            output = function(params, {name: smooth.get(name, rest.get(name)) for name in arrays})
            total = 0.0
            for leaf in jax.tree.leaves(output):
                if jnp.issubdtype(leaf.dtype, jnp.floating):
                    total += (leaf * jnp.asarray(cotangent(leaf.shape, seed), leaf.dtype)).sum()
            return total

        of_params, of_arrays = _grad(product, argnums=(0, 1))(params, smooth)
        return {**of_params, **of_arrays}

    return gradients


def grad_in_two(function, seed):
    """As `grad`, in two programs of which the second gets from the first what is kept between the passes, and nothing
    else."""

    def gradients(params, arrays):
        smooth = {name: a for name, a in arrays.items() if jnp.issubdtype(a.dtype, jnp.floating)}
        rest = {name: a for name, a in arrays.items() if name not in smooth}
        made = {}

        def forward(params, smooth, rest):
            output, pullback = _vjp(lambda params, smooth: function(params, smooth | rest), params, smooth)
            kept, made["pullback"] = jax.tree.flatten(pullback)
            made["like"] = jax.tree.map(jax.typeof, output)
            return kept

        def backward(kept):
            return jax.tree.unflatten(made["pullback"], kept)(
                jax.tree.map(lambda like: _cotangent_like(like, seed), made["like"])
            )

        of_params, of_arrays = jax.jit(backward)(jax.jit(forward)(params, smooth, rest))
        return {**of_params, **of_arrays}

    return gradients


def _cotangent_like(like, seed):
    if jnp.issubdtype(like.dtype, jnp.floating):
        return jnp.asarray(cotangent(like.shape, seed), like.dtype)
    return np.zeros(like.shape, jax.dtypes.float0)


def cotangent(shape, seed):
    """Rounded to float32, so that it is the same numbers when the reference computes in float64."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


# The function whose trace is compiled for each transform. `jit` is `eager`, traced.
TRACED = {"jit": eager, "vmap": vmap, "grad": grad}
