"""What flows where in a traced program: of which inputs each array is made, and which numbers were rounded on their
way.

Each array, and each ref of a kernel, holds a set of labels; every step says which labels its results have. Loops,
branches, calls and kernels are gone through until nothing new comes, so that what is carried from turn to turn, or kept
in a ref, is seen like everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import numpy as np
from jax.extend.core import Literal

from grader.program.read import (
    EXPONENTIALS,
    LOOPS,
    OWN_FUNCTION,
    PRODUCTS,
    RUNNING,
    SUMS,
    Part,
    Step,
    is_call,
    place,
    scan_layout,
    walk,
)

NOTHING: frozenset = frozenset()
WRITES = ("swap", "masked_swap", "addupdate")  # to a ref, which is the first operand


class Flow:
    """Goes through a program with `made(step, ins)`, the labels of what a step makes of operands with the labels `ins`;
    `look(step, ins, outs)` is told of every step, once nothing new comes. A ref has the labels of all that was ever
    written to it.
    """

    def __init__(self, made: Callable, look: Callable):
        self.made, self.look = made, look
        self.refs: dict = {}  # labels, by the variable that is the ref outside
        self.same: dict = {}  # the ref outside, by the variable that it is inside
        self.settled = True  # whether this turn is the last one, in which everything is told

    def through(self, part: Part, sources: list[frozenset], closed: list[frozenset] = ()) -> list[frozenset]:
        """The labels of a program's outputs, from those of its inputs, and of what it closes over."""
        of = dict(zip(part.jaxpr.invars, sources)) | dict(zip(part.jaxpr.constvars, closed))

        def labels(var):
            return NOTHING if isinstance(var, Literal) else self._kept(var) if _is_ref(var) else of.get(var, NOTHING)

        for step in part.steps:
            ins = [labels(var) for var in step.equation.invars]
            outs = self._step(step, ins)
            if self.settled:
                self.look(step, ins, outs)
            of.update(zip(step.equation.outvars, outs))
        return [labels(var) for var in part.jaxpr.outvars]

    def _step(self, step: Step, ins: list[frozenset]) -> list[frozenset]:
        equation, parts = step.equation, step.parts
        if step.name == "scan":
            self._inside(parts[0].jaxpr.invars, equation.invars)
            loop = scan_layout(equation)
            return self._loop(parts[0], ins, loop.consts, loop.carries)
        if step.name == "while":
            test, body = parts
            skipped, consts = equation.params["cond_nconsts"], equation.params["body_nconsts"]
            self._inside(body.jaxpr.invars, equation.invars[skipped:])
            outs = self._loop(body, ins[skipped:], consts, len(equation.outvars))
            self.through(test, [*ins[:skipped], *outs])
            return outs
        if step.name == "cond":
            for branch in parts:
                self._inside(branch.jaxpr.invars, equation.invars[1:])
            return [ins[0].union(*made) for made in zip(*[self.through(branch, ins[1:]) for branch in parts])]
        if is_call(equation) and parts:
            self._inside(parts[0].jaxpr.invars, equation.invars)
            return self.through(parts[0], ins)
        if step.name == "pallas_call":
            return self._kernel(step, ins)
        if step.name == "run_scoped":
            self._inside(parts[0].jaxpr.constvars, equation.invars)
            return self.through(parts[0], [NOTHING] * len(parts[0].jaxpr.invars), ins)
        made = self.made(step, ins)
        if step.name in WRITES:
            self._keep(equation.invars[0], made)
        return [made] * len(equation.outvars)

    def _loop(self, body: Part, ins: list[frozenset], consts: int, carries: int) -> list[frozenset]:
        """As often as it takes until what is carried, and what is kept, is made of nothing new."""

        def turn():
            nonlocal ins
            outs = self.through(body, ins)
            carried = [a | b for a, b in zip(ins[consts : consts + carries], outs)]
            ins = [*ins[:consts], *carried, *ins[consts + carries :]]
            return carried + outs[carries:]

        return self._until_settled(turn, lambda: ins)

    def _kernel(self, step: Step, ins: list[frozenset]) -> list[frozenset]:
        """What its steps leave in the refs of the outputs. The refs are those of inputs, outputs and scratch, in this
        order."""
        part, outs = step.parts[0], len(step.equation.outvars)
        refs = part.jaxpr.invars
        for ref, labels in zip(refs, ins):
            self._keep(ref, labels)
        self._until_settled(lambda: self.through(part, [NOTHING] * len(refs)), lambda: None)
        return [self._kept(ref) for ref in refs[len(ins) : len(ins) + outs]]

    def _until_settled(self, turn: Callable, state: Callable):
        told, self.settled = self.settled, False
        while True:
            before = state(), dict(self.refs)
            turn()
            if (state(), self.refs) == before:
                break
        self.settled = told
        return turn()

    def _inside(self, inside, operands) -> None:
        """Notes which refs of a loop, branch or call are refs of what is around it."""
        for inner, outer in zip(inside, operands):
            if not isinstance(outer, Literal) and _is_ref(outer):
                self.same[inner] = self.same.get(outer, outer)

    def _kept(self, ref) -> frozenset:
        return self.refs.get(self.same.get(ref, ref), NOTHING)

    def _keep(self, ref, labels: frozenset) -> None:
        ref = self.same.get(ref, ref)
        self.refs[ref] = self.refs.get(ref, NOTHING) | labels


def _is_ref(var) -> bool:
    return not isinstance(var.aval, jax.core.ShapedArray)


# --- copies


def copies(part: Part, path: str, *, names: list[str], groups: list[list[str]], limit: int) -> dict:
    """The first array made of whole groups of inputs, and of no input outside the groups, with more than `limit`
    elements for each group in it."""
    everything = frozenset(name for group in groups for name in group)
    found: list[tuple] = []

    def look(step, ins, outs):
        for var, sources in zip(step.equation.outvars, outs):
            held = [i for i, group in enumerate(groups) if sources >= {*group}]
            if (
                held
                and sources <= everything
                and hasattr(var.aval, "shape")
                and math.prod(var.aval.shape) > len(held) * limit
            ):
                found.append((step.equation, var, held))

    Flow(lambda step, ins: NOTHING.union(*ins), look).through(part, [frozenset({name}) for name in names])
    if not found:
        return dict(by="", elements=0, limit=limit, shape=[]) | place(None)
    equation, var, held = found[0]
    visit = next(visit for visit in walk(part, path) if visit.step.equation is equation)
    return dict(
        by=visit.step.name, elements=math.prod(var.aval.shape), limit=len(held) * limit, shape=list(var.aval.shape)
    ) | place(visit)


# --- precision

# What becomes of numbers on their way to the output. Products of matrices, or sums, of the inputs are scores,
# exponentials of those are weights, and sums and products of weights are totals. A score that was rounded must not be
# exponentiated, nor anything be added to a total that was rounded. A maximum is no score: it is taken off and comes
# back, whatever it is. Weights may be rounded, for their product with the values.
SCORE, WEIGHT, TOTAL = "score", "weight", "sum"
ADDS = (*RUNNING, "scatter-add", "scatter-sub", "addupdate")


def precision(part: Part, path: str) -> dict:
    """The first step that scores, exponentiates or sums in half precision; or that exponentiates a score, or adds to a
    total, that was in half precision on its way, such as one that a loop carries or a kernel keeps; `rounded` says
    which of the two."""
    for visit in walk(part, path):
        name, out = visit.step.name, half(visit.step.equation)
        summing = name in RUNNING and not {*LOOPS, *OWN_FUNCTION, "kernel"}.isdisjoint(visit.inside)
        if out and (name in PRODUCTS or name in EXPONENTIALS or name in SUMS or summing):
            return dict(by=name, dtype=out, rounded="") | place(visit)
    found: list[tuple] = []

    def look(step, ins, outs):
        wrong = (SCORE, TOTAL) if step.name in EXPONENTIALS else (TOTAL,) if _adds(step) else ()
        found.extend(
            (step.equation, kind, dtype) for kind, dtype in sorted(NOTHING.union(*ins)) if dtype and kind in wrong
        )

    Flow(_became, look).through(part, [NOTHING] * len(part.jaxpr.invars))
    if not found:
        return dict(by="", dtype="", rounded="") | place(None)
    equation, kind, dtype = found[0]
    visit = next(visit for visit in walk(part, path) if visit.step.equation is equation)
    return dict(by=visit.step.name, dtype=dtype, rounded=kind) | place(visit)


def _became(step: Step, ins: list[frozenset]) -> frozenset:
    """What a step makes: pairs of a kind and of the type that it was rounded to, or ""."""
    labels, aval = NOTHING.union(*ins), step.equation.outvars[0].aval if step.equation.outvars else None
    if aval is not None and not jax.numpy.issubdtype(getattr(aval, "dtype", np.float32), np.floating):
        return NOTHING
    kinds = {kind for kind, _ in labels}
    if step.name in EXPONENTIALS:
        made = {(WEIGHT, "")}
    elif step.name in (*PRODUCTS, *SUMS):
        made = {(TOTAL if kinds & {WEIGHT, TOTAL} else SCORE, "")}
    elif _adds(step) and kinds & {WEIGHT, TOTAL}:
        made = {*labels, (TOTAL, "")}
    elif step.name == "reduce_max" and math.prod(aval.shape) < math.prod(step.equation.invars[0].aval.shape):
        made = {label for label in labels if label[0] != SCORE}
    else:
        made = labels
    rounded = half(step.equation) or coarse(step.equation)
    return frozenset((kind, rounded or before) for kind, before in made)


def _adds(step: Step) -> bool:
    return (
        step.name in ADDS
        or step.name in OWN_FUNCTION
        and any(inner.name in RUNNING for part in step.parts for inner in part.steps)
    )


def half(equation) -> str:
    """The type of what an equation makes, if it has fewer than 32 bits."""
    dtype = getattr(equation.outvars[0].aval, "dtype", None) if equation.outvars else None
    return (
        str(dtype)
        if dtype is not None and jax.numpy.issubdtype(dtype, np.floating) and jax.numpy.finfo(dtype).bits < 32
        else ""
    )


def coarse(equation) -> str:
    """What an equation rounds to that leaves the type as it is."""
    if equation.primitive.name != "reduce_precision" or equation.params["mantissa_bits"] >= 23:
        return ""
    bits = equation.params["mantissa_bits"]
    return {7: "bfloat16", 10: "float16"}.get(bits, f"{bits} binary places")
