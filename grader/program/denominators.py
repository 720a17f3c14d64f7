"""Whether what a norm or a softmax divides by was computed in float32, where the rest of the program may be in half
precision: products of matrices, activations, what is handed on.

A norm divides by a root of a sum of squares, a softmax by a sum of exponentials. Each is followed from where it is made
to where it is used, through loops, calls and kernels (see `flow.py`). Only what is made of the arguments counts:
`sqrt(head_dim)` is a number, and so are parameters here.
"""

from __future__ import annotations

from jax import numpy as jnp
from jax.extend.core import Literal

from grader.program.flow import NOTHING, Flow, coarse, half
from grader.program.read import PRODUCTS, SUMS, Part, Step, place, walk
from grader.program.work import MOVES

# What a label says of an array: that it depends on the arguments; or that it is a product of such, an exponential, a
# sum of exponentials, a root. Those come with the type that the numbers were rounded to since, or "".
DATA = ("data", "")
PRODUCT, EXPONENTIAL, TOTAL, ROOT = "product", "exponential", "sum", "root"
DENOMINATORS = {"norms": (ROOT, PRODUCT), "softmax": (TOTAL, EXPONENTIAL)}  # and what each is made of


def denominators(part: Part, path: str, *, within: str, names: list[str], arguments: list[str]) -> dict:
    """The first step that makes a denominator of the norms, or of the softmax, in half precision or of what was rounded
    to it, or that uses one that was rounded. `rounded` says what was, "" for what the step itself gives. `names` are
    those of the program's inputs, in its order, and `arguments` those that are no parameters."""
    denominator, source = DENOMINATORS[within]
    made: list[Step] = []
    found: list[tuple] = []

    def look(step, ins, outs):
        labels = sorted(NOTHING.union(*ins))
        makes = _makes(step, ins) == denominator
        if makes:
            made.append(step)
        elif step.name in MOVES or step.parts:
            return
        wrong = (source, denominator) if makes else (denominator,)
        found.extend((step.equation, kind, dtype) for kind, dtype in labels if kind in wrong and dtype)
        if makes and (dtype := _rounds(step)):
            found.append((step.equation, "", dtype))

    Flow(_became, look).through(part, [frozenset({DATA}) if name in arguments else NOTHING for name in names])
    if not found:
        what = "root of anything" if within == "norms" else "sum of exponentials"
        return dict(by="", dtype="", rounded="") | place(None) | ({} if made else dict(unproved=f"it has no {what}"))
    equation, kind, dtype = found[0]
    visit = next(visit for visit in walk(part, path) if visit.step.equation is equation)
    return dict(by=visit.step.name, dtype=dtype, rounded=kind) | place(visit)


def _became(step: Step, ins: list[frozenset]) -> frozenset:
    """The labels of what a step makes. Each denominator is made anew, of the numbers as they then are."""
    labels, outs = NOTHING.union(*ins), step.equation.outvars
    dtype = getattr(outs[0].aval, "dtype", jnp.float32) if outs else jnp.float32
    if DATA not in labels or not jnp.issubdtype(dtype, jnp.floating):
        return NOTHING
    if made := _makes(step, ins):
        return frozenset({DATA, (made, _rounds(step))})
    still = step.name in (*MOVES, "mul", "div", "reduce_precision")
    return frozenset(
        label if label == DATA else (label[0], _rounds(step) or label[1])
        for label in labels
        if still or label[0] != EXPONENTIAL
    )


def _makes(step: Step, ins: list[frozenset]) -> str:
    """Which of the four a step makes of its operands; "" where what it gives is what they are."""
    name, kinds = step.name, {kind for kind, _ in NOTHING.union(*ins)}
    several = sum(DATA in labels for labels in ins) > 1
    if "data" not in kinds:
        return ""
    if name in ("exp", "exp2") or name == "pow" and DATA in ins[1]:
        return EXPONENTIAL
    # To a number that is added to an exponential it is no sum: so a sigmoid is written. A sum may come as a product
    # with ones.
    if not kinds.isdisjoint({EXPONENTIAL, TOTAL}) and (
        name in SUMS or name in ("add", "add_any") and several or name in PRODUCTS and not several
    ):
        return TOTAL
    if name in ("sqrt", "rsqrt") or name == "log" and TOTAL not in kinds or name == "pow" and not _whole(step):
        return ROOT
    if name in (*PRODUCTS, "square", "pow") or name in ("mul", "div") and several:
        return PRODUCT
    return PRODUCT if name == "integer_pow" and step.equation.params["y"] > 1 else ""


def _whole(step: Step) -> bool:
    exponent = step.equation.invars[1]
    return isinstance(exponent, Literal) and float(exponent.val).is_integer()


def _rounds(step: Step) -> str:
    return half(step.equation) or coarse(step.equation)
