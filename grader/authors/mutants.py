"""Mutants that can be made of any reference without knowing what it computes: each is wrong in a way that has nothing
to do with the problem."""

from __future__ import annotations

import functools

# What each is to be caught by.
CAUGHT_BY = {
    "keeps_its_first_answer": ("again",),
    "answers_in_another_dtype": ("eager", "jit", "vmap"),
    "adds_an_array": ("parameters",),
}
OF_KEYS = "uses_one_key_twice"  # by the claims about what is drawn


def keeps_its_first_answer(function):
    """Gives for arrays of one shape what it gave for the first ones."""
    import jax

    kept: dict = {}

    @functools.wraps(function)
    def mutant(*args, **kwargs):
        leaves = jax.tree.leaves((args, kwargs))
        key = repr([(leaf.shape, leaf.dtype) if hasattr(leaf, "shape") else leaf for leaf in leaves])
        if key not in kept:
            output = function(*args, **kwargs)
            if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(output)):
                return output
            kept[key] = output
        return kept[key]

    return mutant


def answers_in_another_dtype(function):
    """Rounds what it gives to half precision and back to a dtype that nobody asked for."""
    import jax
    import jax.numpy as jnp

    def other(leaf):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.key_data(leaf)
        return leaf.astype(jnp.float16 if leaf.dtype == jnp.float32 else jnp.float32)

    return functools.wraps(function)(lambda *args, **kwargs: jax.tree.map(other, function(*args, **kwargs)))


def uses_one_key_twice(function):
    """Whatever a key is split into, or folded with, is one key."""
    import jax

    split, fold_in = jax.random.split, jax.random.fold_in

    def one_for_all(key, num=2):
        keys = split(key, num)
        axes = keys.ndim - (not jax.dtypes.issubdtype(keys.dtype, jax.dtypes.prng_key))
        return jax.numpy.broadcast_to(keys[(0,) * axes], keys.shape)

    @functools.wraps(function)
    def mutant(*args, **kwargs):
        jax.random.split, jax.random.fold_in = one_for_all, lambda key, data: fold_in(key, 0)
        try:
            return function(*args, **kwargs)
        finally:
            jax.random.split, jax.random.fold_in = split, fold_in

    return mutant


def adds_an_array(construct):
    """Keeps an array as a plain attribute, which is state that no contract names."""
    import jax.numpy as jnp

    def mutant(self, *args, **kwargs):
        construct(self, *args, **kwargs)
        self.extra = jnp.ones(2)

    return mutant


def mutated(name: str, found: dict) -> dict:
    """The names of a reference, each as the mutant; a module is changed in its call, or in its constructor."""
    mutant, changed = globals()[name], {}
    for entry, right in found.items():
        if not isinstance(right, type):
            changed[entry] = mutant(right) if name != "adds_an_array" else right
        else:
            method = "__init__" if name == "adds_an_array" else "__call__"
            changed[entry] = type(right.__name__, (right,), {method: mutant(getattr(right, method))})
    return changed
