"""What can be proved of a program as traced: what exists in it, what it computes, what it is made of. Never what it takes in seconds.

A traced program is a tree of equations. Those that nothing depends on are dropped first, through every loop and call, so that what is left is
what the program does. A measure returns facts: plain data, which `proofs.py` judges.
"""

from __future__ import annotations

import ast
import functools
import linecache
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var

LOOPS = ("scan", "while", "pallas_call")
OPAQUE = ("pure_callback", "io_callback", "ffi_call", "custom_call")        # what happens in there cannot be seen
EXPONENTIALS = ("exp", "exp2", "expm1", "logistic", "tanh", "erf", "pow", "log", "log1p")
PRODUCTS = ("dot_general", "ragged_dot_general", "conv_general_dilated")
SUMS = ("reduce_sum", "reduce_prod", "cumsum", "cumprod", "cumlogsumexp", "reduce_window_sum")
EXTREMES = ("reduce_max", "reduce_min", "argmax", "argmin", "cummax", "reduce", "sort")
RUNNING = ("add", "add_any", "sub")             # in a loop, these make a running sum
HALF = ("bfloat16", "float16")


@dataclass(frozen=True)
class Part:
    """A jaxpr inside an equation, cut down to what is needed of it."""

    jaxpr: Jaxpr
    steps: list[Step]
    constants: list                         # of those that are needed, the values
    times: int | None = 1                   # how often it runs for one run of the equation; None: that depends on values


@dataclass(frozen=True)
class Step:
    """An equation that something depends on, and what is inside it."""

    equation: object
    parts: list[Part]
    made: list                              # its outputs; of a loop, branch or call only those that are needed

    @property
    def name(self) -> str:
        return self.equation.primitive.name


@dataclass(frozen=True)
class Visit:
    """A step where a walk through the whole program meets it."""

    step: Step
    inside: tuple[str, ...]                 # the names of the equations around it
    times: int | None
    line: tuple[int, str, str] | None       # the student's own


def program(closed) -> Part:
    """The traced program, without what nothing depends on."""
    jaxpr = _open(closed)
    return _needed(closed, [True] * len(jaxpr.outvars))[0]


# --- what is needed


def _open(closed) -> Jaxpr:
    return closed.jaxpr if isinstance(closed, ClosedJaxpr) else closed


def _needed(closed, wanted: list[bool], times: int | None = 1) -> tuple[Part, list[bool]]:
    """The part of a jaxpr that its wanted outputs and its effects depend on, and which of its inputs that needs."""
    jaxpr = _open(closed)
    needed = {var for var, want in zip(jaxpr.outvars, wanted) if want and isinstance(var, Var)}
    steps = []
    for equation in reversed(jaxpr.eqns):
        outs = [var in needed for var in equation.outvars]
        if not any(outs) and not equation.effects:
            continue
        parts, ins = _parts(equation, outs)
        steps.append(Step(equation, parts, [var for var, out in zip(equation.outvars, outs) if out or not parts]))
        needed |= {var for var, use in zip(equation.invars, ins) if use and isinstance(var, Var)}
    constants = [value for var, value in zip(jaxpr.constvars, getattr(closed, "consts", ())) if var in needed]
    return Part(jaxpr, steps[::-1], constants, times), [var in needed for var in jaxpr.invars]


def _parts(equation, outs: list[bool]) -> tuple[list[Part], list[bool]]:
    name, parameters = equation.primitive.name, equation.params
    if name == "scan":
        body, loop = parameters["jaxpr"], scan_layout(equation)
        outs = list(outs)
        while True:
            part, ins = _needed(body, outs, parameters["length"])
            carried = ins[loop.consts:loop.consts + loop.carries]
            more = [a or b for a, b in zip(outs, carried)] + outs[loop.carries:]
            if more == outs:
                return [part], ins
            outs = more
    if name == "while":
        cond, body = parameters["cond_jaxpr"], parameters["body_jaxpr"]
        cond_consts, body_consts = parameters["cond_nconsts"], parameters["body_nconsts"]
        test, test_ins = _needed(cond, [True], None)
        outs = [a or b for a, b in zip(outs, test_ins[cond_consts:])]
        while True:
            part, ins = _needed(body, outs, None)
            more = [a or b for a, b in zip(outs, ins[body_consts:])]
            if more == outs:
                return [test, part], [*test_ins[:cond_consts], *ins[:body_consts], *outs]
            outs = more
    if name == "cond":
        branches = [_needed(branch, outs) for branch in parameters["branches"]]
        ins = [any(uses) for uses in zip(*(ins for _, ins in branches))]
        return [part for part, _ in branches], [True, *ins]
    inner = _inner(equation)
    if len(inner) == 1 and aligned(equation, inner[0]):
        part, ins = _needed(inner[0], outs)
        return [part], ins
    times = math.prod(_grid(equation)) if name == "pallas_call" else 1
    return [_needed(jaxpr, [True] * len(_open(jaxpr).outvars), times)[0] for jaxpr in inner], [True] * len(equation.invars)


def _inner(equation) -> list:
    found = []
    for value in equation.params.values():
        found += [part for part in (value if isinstance(value, (tuple, list)) else (value,)) if isinstance(part, (Jaxpr, ClosedJaxpr))]
    return found


def aligned(equation, inner) -> bool:
    """Whether the equation's inputs and outputs are those of the jaxpr inside, one by one."""
    jaxpr = _open(inner)
    return equation.primitive.name != "pallas_call" and len(jaxpr.invars) == len(equation.invars) and len(jaxpr.outvars) == len(equation.outvars)


def _grid(equation) -> list[int]:
    grid = getattr(equation.params.get("grid_mapping"), "grid", ())
    return [size for size in grid if isinstance(size, int)]


@dataclass(frozen=True)
class ScanLayout:
    """How many of a scan's inputs are constants and carries, the rest being sliced; its first outputs are the carries."""

    consts: int
    carries: int


def scan_layout(equation) -> ScanLayout:
    """Read off the ranks, since versions of JAX name the counts differently: what is sliced or stacked has one axis more outside."""
    body = _open(equation.params["jaxpr"])
    carries = sum(var.aval.ndim == inner.aval.ndim for var, inner in zip(equation.outvars, body.outvars))
    sliced = sum(var.aval.ndim == inner.aval.ndim + 1 for var, inner in zip(equation.invars, body.invars))
    return ScanLayout(len(body.invars) - carries - sliced, carries)


# --- walks


def walk(part: Part, path: str = "", inside: tuple[str, ...] = (), times: int | None = 1, line=None) -> Iterator[Visit]:
    """Every step, outside before inside, in the order of the program. `path` is the student's file, for the lines."""
    for step in part.steps:
        own = line or line_of(step.equation, path)
        yield Visit(step, inside, times, own)
        shared = own if step.name in ("jit", "pjit") and step.equation.params.get("name") not in _functions(path) else line
        for inner in step.parts:
            both = None if times is None or inner.times is None else times * inner.times
            name = "kernel" if step.name == "pallas_call" else step.name
            # What a library function does was traced where it was first called; this call's line is the one that counts.
            yield from walk(inner, path, (*inside, name), both, shared)


def line_of(equation, path: str) -> tuple[int, str, str] | None:
    """The line of the file at `path` that an equation comes from: its number, the function, the text."""
    traceback = equation.source_info.traceback if path else None
    for frame in traceback.frames if traceback else ():
        if frame.file_name == path:
            return frame.line_num, frame.function_name.rsplit(".", 1)[-1], linecache.getline(path, frame.line_num).strip()
    return None


@functools.cache
def _functions(path: str) -> frozenset[str]:
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except SyntaxError:
        return frozenset()
    return frozenset({"<lambda>"} | {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)})


def _arrays(part: Part, path: str) -> Iterator[tuple]:
    """Everything that exists beside the inputs: (shape, dtype, primitive, visit or None)."""
    def constants(part: Part):
        for value in part.constants:
            yield np.shape(value), str(getattr(value, "dtype", type(value).__name__)), "a constant", None
        for step in part.steps:
            for inner in step.parts:
                yield from constants(inner)

    yield from constants(part)
    for visit in walk(part, path):
        for var in visit.step.equation.invars:
            if isinstance(var, Literal):
                yield np.shape(var.val), str(var.aval.dtype), "a constant", visit
        for var in visit.step.made:
            if hasattr(var.aval, "shape"):
                yield tuple(var.aval.shape), str(var.aval.dtype), visit.step.name, visit


# --- measures: the facts that a claim is judged by


def largest(part: Part, path: str, *, limit: int) -> dict:
    """The first array with at least `limit` elements, a product of matrices before all others, since that is what the others serve; or the largest there is."""
    best, rank = ((), "", "", None), (False, False, -1)
    for found in _arrays(part, path):
        shape, _, primitive, _ = found
        large = math.prod(shape) >= limit
        higher = large, large and primitive in PRODUCTS, 0 if large else math.prod(shape)
        if higher > rank:
            best, rank = found, higher
    shape, dtype, primitive, visit = best
    return dict(elements=math.prod(shape), limit=limit, dtype=dtype, by=primitive, shape=list(shape)) | _place(visit)


def equations(part: Part, path: str) -> dict:
    """How many equations the program has."""
    return dict(count=sum(1 for _ in walk(part)))


def flops(part: Part, path: str, *, limit: int = 0) -> dict:
    """Multiplications and additions of all matrix products, loops counted as often as they run; `exact` is False where that depends on values."""
    total, exact, most = 0, True, (-1, None)
    for visit in walk(part, path):
        if visit.step.name == "dot_general":
            exact = exact and visit.times is not None
            count = (visit.times or 1) * dot_flops(visit.step.equation)
            total, most = total + count, max(most, (count, visit), key=lambda pair: pair[0])
    return dict(flops=total, exact=exact, limit=limit) | _place(most[1])


def dot_flops(equation) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)


def precision(part: Part, path: str) -> dict:
    """The first step that scores, exponentiates or sums in half precision."""
    for visit in walk(part, path):
        name, out = visit.step.name, _dtype_out(visit.step.equation)
        summing = name in RUNNING and not {*LOOPS, "kernel"}.isdisjoint(visit.inside)
        if out in HALF and (name in PRODUCTS or name in EXPONENTIALS or name in SUMS or summing):
            return dict(by=name, dtype=out) | _place(visit)
    return dict(by="", dtype="") | _place(None)


def kernel(part: Part, path: str, *, grid: int = 0) -> dict:
    """How many pallas_calls run (-1: that depends on values), how many steps their grids have, whether one of them exponentiates, and the first piece
    of the work outside of them."""
    calls, works, outside, steps = 0, False, None, 0
    for visit in walk(part, path):
        name = visit.step.name
        if "kernel" in visit.inside:
            works = works or name in EXPONENTIALS
        elif name == "pallas_call":
            calls = calls + visit.times if visit.times is not None and calls >= 0 else -1
            steps += math.prod(_grid(visit.step.equation))
        elif outside is None and name in (*PRODUCTS, *EXPONENTIALS, *SUMS, *EXTREMES, *LOOPS):
            outside = visit
    return dict(calls=calls, steps=steps, grid=grid, works=works, outside=outside.step.name if outside else "") | _place(outside)


def copies(part: Part, path: str, *, names: list[str], groups: list[list[str]], limit: int) -> dict:
    """The first array made of whole groups of inputs, and of no input outside the groups, with more than `limit` elements for each group in it."""
    everything = frozenset(name for group in groups for name in group)
    found: list[tuple] = []

    def look(equation, made, inside):
        for var, sources in zip(equation.outvars, made):
            held = [i for i, group in enumerate(groups) if sources >= {*group}]
            if held and sources <= everything and hasattr(var.aval, "shape") and math.prod(var.aval.shape) > len(held) * limit:
                found.append((equation, var, held))

    trace_sources(part, [frozenset({name}) for name in names], look)
    if not found:
        return dict(by="", elements=0, limit=limit, shape=[]) | _place(None)
    equation, var, held = found[0]
    visit = next(visit for visit in walk(part, path) if visit.step.equation is equation)
    return dict(by=visit.step.name, elements=math.prod(var.aval.shape), limit=len(held) * limit, shape=list(var.aval.shape)) | _place(visit)


def opaque(part: Part) -> str:
    """The first primitive that leaves the program, after which nothing can be proved of it; "" where there is none."""
    return next((visit.step.name for visit in walk(part) if visit.step.name in OPAQUE), "")


def line_of_complaint(function, arguments, complaint: str, path: str) -> list | None:
    """The student's line that the complaint of a lowering is about: it names a place, or a primitive that is in the kernel."""
    if not path or not complaint:
        return None
    place = re.search(re.escape(path) + r":(\d+)", complaint)
    if place:
        return [int(place[1]), "", linecache.getline(path, int(place[1])).strip()]
    primitive = re.search(r"primitive in Pallas [\w ]+: (\w+)", complaint)
    if primitive:
        part = program(jax.make_jaxpr(function)(*arguments))
        for visit in walk(part, path):
            if visit.step.name == primitive[1] and "kernel" in visit.inside and visit.line:
                return list(visit.line)
    return None


MEASURES = {"largest": largest, "equations": equations, "flops": flops, "precision": precision, "kernel": kernel, "copies": copies}


def _place(visit: Visit | None) -> dict:
    return dict(inside=list(visit.inside) if visit else [], line=list(visit.line) if visit and visit.line else None)


def _dtype_out(equation) -> str:
    return str(equation.outvars[0].aval.dtype) if equation.outvars and hasattr(equation.outvars[0].aval, "dtype") else ""


# --- which inputs an array is made of


def trace_sources(part: Part, sources: list[frozenset], look, inside: tuple[str, ...] = ()) -> list[frozenset]:
    """Follows which inputs each array is made of; `look(equation, sources of its outputs, inside)` is told of every step."""
    nothing = frozenset()
    of = dict(zip(part.jaxpr.invars, sources))

    def source(var):
        return nothing if isinstance(var, Literal) else of.get(var, nothing)

    for step in part.steps:
        equation, ins = step.equation, [source(var) for var in step.equation.invars]
        around = (*inside, step.name)
        if step.name == "scan":
            loop = scan_layout(equation)
            outs = _through_loop(step.parts[0], ins, loop.consts, loop.carries, look, around)
        elif step.name == "while":
            test, body = step.parts
            skipped, consts = equation.params["cond_nconsts"], equation.params["body_nconsts"]
            outs = _through_loop(body, ins[skipped:], consts, len(equation.outvars), look, around)
            trace_sources(test, [*ins[:skipped], *outs], look, around)
        elif step.name == "cond":
            branches = [trace_sources(branch, ins[1:], look, around) for branch in step.parts]
            outs = [ins[0].union(*made) for made in zip(*branches)]
        elif len(step.parts) == 1 and aligned(equation, step.parts[0].jaxpr):
            outs = trace_sources(step.parts[0], ins, look, around)
        else:
            outs = [nothing.union(*ins)] * len(equation.outvars)
        look(equation, outs, inside)
        of.update(zip(equation.outvars, outs))
    return [source(var) for var in part.jaxpr.outvars]


def _through_loop(body: Part, ins: list[frozenset], consts: int, carries: int, look, inside) -> list[frozenset]:
    """As often as it takes until what is carried is made of nothing new; told once."""
    while True:
        outs = trace_sources(body, ins, lambda *_: None, inside)
        carried = [a | b for a, b in zip(ins[consts:consts + carries], outs)]
        if carried == ins[consts:consts + carries]:
            trace_sources(body, ins, look, inside)
            return carried + outs[carries:]
        ins = [*ins[:consts], *carried, *ins[consts + carries:]]

