"""A module is made without its initial values where nobody looks at them, and nobody notices."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from grader.course.calls import calls_for
from grader.course.verdict import Status
from grader.run.evaluate import Evaluation
from grader.run.failure import failure_of
from grader.run.shapes import PutAway, split_without_values
from tests.test_evaluate import MODULE, Projection

jax.config.update("jax_platforms", "cpu")

# Constructors that only shapes do for


class Projections(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(3, 4, rngs=rngs)
        self.others = nnx.List([nnx.Linear(4, 4, use_bias=False, rngs=rngs) for _ in range(2)])


class FromScratch(nnx.Module):
    def __init__(self, rngs):
        self.kernel = nnx.Param(0.02 * jax.random.normal(rngs.params(), (3, 4)))
        self.shared = self.kernel


class InTrain(nnx.Module):
    def __init__(self, rngs):
        self.inner, self.dropout = Projections(rngs), nnx.Dropout(0.5)
        self.train()


# And others


class WithACache(nnx.Module):
    def __init__(self, rngs):
        self.proj, self.cache = nnx.Linear(3, 4, rngs=rngs), nnx.Cache(jnp.zeros((2,)))


class WithAnArray(nnx.Module):
    def __init__(self, rngs):
        self.proj, self.slopes = nnx.Linear(3, 4, rngs=rngs), 2.0 ** jnp.arange(3)


class WithAClosure(nnx.Module):
    def __init__(self, rngs):
        self.proj, slopes = nnx.Linear(3, 4, rngs=rngs), 2.0 ** jnp.arange(4)
        self.sloped = lambda x: x * slopes


class WithItsRngs(nnx.Module):
    def __init__(self, rngs):
        self.proj, self.rngs = nnx.Linear(3, 4, rngs=rngs), rngs


class OfNumPy(nnx.Module):
    def __init__(self, rngs):
        self.kernel = nnx.Param(np.ones((3, 4)))


class OfANumber(nnx.Module):
    def __init__(self, rngs):
        self.scale = nnx.Param(1.0)


class Asking(nnx.Module):
    def __init__(self, rngs):
        self.proj, self.scale = nnx.Linear(3, 4, rngs=rngs), float(1 / jnp.sqrt(4.0))


class Printing(nnx.Module):
    def __init__(self, rngs):
        self.proj = nnx.Linear(3, 4, rngs=rngs)
        print(self.proj.kernel[...])


class Debugging(nnx.Module):
    def __init__(self, rngs):
        self.proj = nnx.Linear(3, 4, rngs=rngs)
        jax.debug.print("{}", self.proj.kernel[0, 0])


class Raising(nnx.Module):
    def __init__(self, rngs):
        raise ValueError("no such width")


@pytest.mark.parametrize("cls", [Projections, FromScratch, InTrain])
def test_only_shapes_are_made(cls):
    """The graph is that of the module made as usual, and so are paths, shapes and dtypes; no value is drawn."""
    graphdef, state = split_without_values(nnx, lambda rngs: cls(rngs=rngs))
    same, values = nnx.split(cls(rngs=nnx.Rngs(0)))
    assert graphdef == same
    told, expected = (
        {path: (leaf.shape, leaf.dtype) for path, leaf in nnx.to_pure_dict(part).items() if hasattr(leaf, "shape")}
        for part in (state, values)
    )
    assert told == expected
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(state))
    assert jax.tree.structure(state) == jax.tree.structure(values)


@pytest.mark.parametrize(
    "cls",
    [WithACache, WithAnArray, WithAClosure, WithItsRngs, OfNumPy, OfANumber, Asking, Printing, Debugging, Raising],
    ids=lambda c: c.__name__,
)
def test_what_needs_values_is_left_to_be_made_with_them(cls, capfd):
    """What holds more than parameters, in a function too, asks for a value, prints or raises; and nothing is printed
    twice."""
    assert split_without_values(nnx, lambda rngs: cls(rngs=rngs)) is None
    assert capfd.readouterr() == ("", "")


def test_what_is_put_away_is_seen():
    """In a cache or a list of the file's: each would be a tracer. Also where the constructor fails afterwards."""
    kept, cached = [], functools.cache(lambda size: jnp.arange(size) * 2.0)

    class InACache(nnx.Module):
        def __init__(self, rngs):
            self.proj = nnx.Linear(3, 4, rngs=rngs)
            cached(4)

    class InAList(nnx.Module):
        def __init__(self, rngs):
            self.kernel = nnx.Param(jax.random.normal(rngs.params(), (3, 4)))
            kept.append(self.kernel[...])

    class ThenFailing(nnx.Module):
        def __init__(self, rngs):
            self.scale = float(cached(5)[1])

    for cls in (InACache, InAList, ThenFailing):
        with pytest.raises(PutAway):
            split_without_values(nnx, lambda rngs: cls(rngs=rngs))


# A student's file

PROJECTIONS = """
        self.num_heads, self.head_dim = num_heads, d_model // num_heads
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs))
"""
ATTENTION = """
    def __call__(self, x):
        q, k, v = (self.heads(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        weights = jax.nn.softmax((q @ jnp.swapaxes(k, -1, -2)) * SCALE, axis=-1)
        return self.o_proj(jnp.swapaxes(weights @ v, -3, -2).reshape(x.shape))

    def heads(self, x):
        return jnp.swapaxes(x.reshape(*x.shape[:-1], self.num_heads, self.head_dim), -3, -2)
"""
TOP = """
import functools

import jax
import jax.numpy as jnp
from flax import nnx

SEEN = []


@functools.cache
def scale(width):
    return 1 / jnp.sqrt(jnp.float32(width))


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model, num_heads, *, rngs):
        if d_model % num_heads:
            raise ValueError("d_model has to be a multiple of num_heads")
"""


def written(scale: str, more: str = "", top: str = "") -> str:
    return TOP + PROJECTIONS + more + ATTENTION.replace("SCALE", scale) + top


@pytest.mark.thorough
@pytest.mark.parametrize(
    "source",
    [
        pytest.param(written("self.head_dim**-0.5"), marks=pytest.mark.sample),
        written("scale(self.head_dim).astype(x.dtype)", "        scale(self.head_dim)\n"),
        written("SEEN[0].astype(x.dtype) / self.head_dim**0.5", "        SEEN.append(jnp.ones(()))\n"),
        written(
            "self.scaled(1.0).astype(x.dtype)",
            "        s = scale(self.head_dim)\n        self.scaled = lambda x: x * s\n",
        ),
        written(
            "scale(self.head_dim).astype(x.dtype)",
            "        scale(self.head_dim)\n",
            "nnx.register_variable_name('once', type('Once', (nnx.Variable,), {}))\n",
        ),
        written("self.scale", "        self.scale = float(scale(self.head_dim))\n"),
    ],
    ids=["plainly", "a cache", "a list", "a closure", "a cache, and it imports once", "a number out of a cache"],
)
def test_a_right_answer_passes_whatever_it_puts_away(attempt, source):
    """Nothing that the grader does to be fast is seen by it."""
    verdict = attempt(source, 32)
    first = next((entry.first for entry in verdict.entries if entry.first), None)
    assert verdict.status == Status.PASSED and not verdict.prints, first


def test_what_a_constructor_says_is_said_once_and_of_values(attempt):
    """Who prints a kernel sees numbers."""
    verdict = attempt(written("self.head_dim**-0.5", "        print('kernel', self.q_proj.kernel[0, 0])\n"), 32)
    assert verdict.status == Status.PASSED
    assert verdict.prints and not any("Traced" in text or "ShapeDtype" in text for _, text in verdict.prints)


def test_what_a_constructor_does_wrong_is_told_with_its_line(attempt):
    """As of one that is called as usual."""
    verdict = attempt(written("self.head_dim**-0.5", "        self.width = self.q_proj.width\n"), 32)
    finding = verdict.entries[0].first
    assert verdict.status == Status.FAILED and "has no attribute 'width'" in finding.summary
    assert finding.lines[-1][2] == "self.width = self.q_proj.width"


def test_other_initial_values_change_nothing(attempt):
    """A case brings its own."""
    zeros = PROJECTIONS.replace("rngs=rngs)", "rngs=rngs, kernel_init=nnx.initializers.zeros)")
    assert attempt(TOP + zeros + ATTENTION.replace("SCALE", "self.head_dim**-0.5"), 32).status == Status.PASSED


def test_a_module_is_made_without_values_wherever_it_can_be():
    """An error of the constructor in one case does not decide about the others; without another import of the file
    everything is made as usual."""

    class Picky(Projection):
        def __init__(self, width, *, rngs):
            if width == 5:
                raise ValueError("five")
            super().__init__(width, rngs=rngs)

    calls = [call for call in calls_for([MODULE]) if call.transform in ("eager", "jit")]
    for anew, values in ((lambda: lambda name: Picky, {False}), (None, {True})):
        outcomes = {}
        run = Evaluation(
            lambda name: Picky, lambda error: failure_of(error, ""), lambda c, o: outcomes.update({c.id: o}), anew=anew
        )
        run.run(calls)
        assert {target.has_values for target in run.targets.values()} == values
        assert {call.check.case for call in calls if outcomes[call.id].failure} == {"large"}
