"""What can be proved of a program as traced: what exists in it, what it computes, what it is made of. Never what it
takes in seconds.

A traced program is a tree of equations. Those that nothing depends on are dropped first, through every loop and call,
so that what is left is what the program does. A measure returns facts: plain data, which `course/claims` judges.
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
OPAQUE = ("pure_callback", "io_callback", "ffi_call", "custom_call")  # what happens in there cannot be seen
EXPONENTIALS = ("exp", "exp2", "expm1", "logistic", "tanh", "erf", "pow", "log", "log1p")
PRODUCTS = ("dot_general", "ragged_dot_general", "conv_general_dilated")
SUMS = ("reduce_sum", "reduce_prod", "cumsum", "cumprod", "cumlogsumexp", "reduce_window_sum")
OWN_FUNCTION = ("reduce", "reduce_window", "scatter")  # may hold a function of the student's own, for two numbers
RUNNING = ("add", "add_any", "sub")  # in a loop, these make a running sum
CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "call",
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
    "remat",
    "remat2",
    "checkpoint",
)


@dataclass(frozen=True)
class Part:
    """A jaxpr inside an equation, cut down to what is needed of it."""

    jaxpr: Jaxpr
    steps: list[Step]
    constants: list  # of those that are needed, the values
    # how often it runs for one run of the equation; None: that depends on values
    times: int | None = 1


@dataclass(frozen=True)
class Step:
    """An equation that something depends on, and what is inside it."""

    equation: object
    parts: list[Part]
    made: list  # its outputs; of a loop, branch or call only those that are needed

    @property
    def name(self) -> str:
        return self.equation.primitive.name


@dataclass(frozen=True)
class Visit:
    """A step where a walk through the whole program meets it."""

    step: Step
    inside: tuple[str, ...]  # the names of the equations around it
    times: int | None
    line: tuple[int, str, str] | None  # the student's own


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
            carried = ins[loop.consts : loop.consts + loop.carries]
            more = [a or b for a, b in zip(outs, carried)] + outs[loop.carries :]
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
    if is_call(equation):
        part, ins = _needed(inner[0], outs)
        return [part], ins
    times = math.prod(grid_of(equation)) if name == "pallas_call" else 1
    return [_needed(jaxpr, [True] * len(_open(jaxpr).outvars), times)[0] for jaxpr in inner], [True] * len(
        equation.invars
    )


def _inner(equation) -> list:
    found = []
    for value in equation.params.values():
        found += [
            part
            for part in (value if isinstance(value, (tuple, list)) else (value,))
            if isinstance(part, (Jaxpr, ClosedJaxpr))
        ]
    return found


def is_call(equation) -> bool:
    """Whether the equation runs the jaxpr inside on its own inputs, and gives its outputs. Others hold a jaxpr for
    purposes of their own: what looks like a call there, as many values in and out, is none, and everything that goes in
    is needed."""
    inner = _inner(equation) if equation.primitive.name in CALLS else []
    return (
        len(inner) == 1
        and len(_open(inner[0]).invars) == len(equation.invars)
        and len(_open(inner[0]).outvars) == len(equation.outvars)
    )


def grid_of(equation) -> list[int]:
    grid = getattr(equation.params.get("grid_mapping"), "grid", ())
    return [size for size in grid if isinstance(size, int)]


@dataclass(frozen=True)
class ScanLayout:
    """How many of a scan's inputs are constants and carries, the rest being sliced; its first outputs are the
    carries."""

    consts: int
    carries: int


def scan_layout(equation) -> ScanLayout:
    """Read off the ranks, since versions of JAX name the counts differently: what is sliced or stacked has one axis
    more outside."""
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
        shared = (
            own if step.name in ("jit", "pjit") and step.equation.params.get("name") not in _functions(path) else line
        )
        for inner in step.parts:
            both = None if times is None or inner.times is None else times * inner.times
            name = "kernel" if step.name == "pallas_call" else step.name
            # What a library function does was traced where it was first called; this call's line is the one that
            # counts.
            yield from walk(inner, path, (*inside, name), both, shared)


def line_of(equation, path: str) -> tuple[int, str, str] | None:
    """The line of the file at `path` that an equation comes from: its number, the function, the text."""
    traceback = equation.source_info.traceback if path else None
    for frame in traceback.frames if traceback else ():
        if frame.file_name == path:
            return (
                frame.line_num,
                frame.function_name.rsplit(".", 1)[-1],
                linecache.getline(path, frame.line_num).strip(),
            )
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
        for var in visit.step.made if not is_call(visit.step.equation) else ():  # of a call they are made inside
            if hasattr(var.aval, "shape"):
                yield tuple(var.aval.shape), str(var.aval.dtype), visit.step.name, visit


# --- measures: the facts that a claim is judged by


def largest(part: Part, path: str, *, limit: int, length: int = 0) -> dict:
    """The first array with at least `limit` elements, a product of matrices before all others, since that is what the
    others serve; or the largest there is."""
    best, rank = ((), "", "", None), (False, False, -1)
    for found in _arrays(part, path):
        shape, _, primitive, _ = found
        large = math.prod(shape) >= limit
        higher = large, large and primitive in PRODUCTS, 0 if large else math.prod(shape)
        if higher > rank:
            best, rank = found, higher
    shape, dtype, primitive, visit = best
    return dict(
        elements=math.prod(shape), limit=limit, length=length, dtype=dtype, by=primitive, shape=list(shape)
    ) | place(visit)


def kept(part: Part, path: str, *, limit: int, length: int = 0) -> dict:
    """The elements that `backward`, the second of two programs, gets from `forward`, the first, and the largest array
    among them. The inputs of both do not count, nor does what is handed on twice."""
    names = [step.equation.params.get("name") if step.name in ("jit", "pjit") else "" for step in part.steps]
    last = part.steps[-1] if names[-1:] == ["backward"] else None
    if names not in ([], ["forward"], ["backward"], ["forward", "backward"]):
        return dict(unproved="its gradient is not in two programs, forward and backward")
    sources = {}
    for step in part.steps:
        inner = (
            _open(step.equation.params["jaxpr"]) if is_call(step.equation) and "jaxpr" in step.equation.params else None
        )
        for number, var in enumerate(step.equation.outvars):
            sources[var] = _source(inner, inner.outvars[number], step, sources) if inner else (var, step)
    crossing = {
        var: step
        for var, step in (
            sources.get(var, (var, None)) for var in (last.equation.invars if last else ()) if isinstance(var, Var)
        )
        if step is not None
    }
    largest = max(crossing, key=lambda var: math.prod(var.aval.shape), default=None)
    visit = (
        next((visit for visit in walk(part, path) if largest in visit.step.equation.outvars), None)
        if largest is not None
        else None
    )
    return dict(
        elements=sum(math.prod(var.aval.shape) for var in crossing),
        limit=limit,
        length=length,
        shape=list(largest.aval.shape) if largest is not None else [],
        dtype=str(largest.aval.dtype) if largest is not None else "",
        by=visit.step.name if visit else "",
    ) | place(visit)


def _source(inner: Jaxpr, var, step: Step, sources: dict) -> tuple:
    """What a call hands out: a variable of its own, beside the call; or where what it was given came from, beside None
    for the program's inputs."""
    if isinstance(var, Literal):
        return var, None
    if var not in inner.invars:
        return var, step
    outer = step.equation.invars[inner.invars.index(var)]
    return (outer, None) if isinstance(outer, Literal) else sources.get(outer, (outer, None))


def equations(part: Part, path: str, *, length: int, limit: int) -> dict:
    """How many equations the program has, for inputs of a length, a loop's body counted as often as it is written out;
    and how often the one is that is written out most, and where."""
    most = max(walk(part, path), key=lambda visit: written_out(visit.step), default=None)
    copies = written_out(most.step) if most else 1
    return dict(count=_written(part), length=length, limit=limit, copies=copies) | place(most if copies > 1 else None)


def _written(part: Part) -> int:
    return sum(1 + written_out(step) * sum(map(_written, step.parts)) for step in part.steps)


def written_out(step: Step) -> int:
    """How often the compiled program has the body of a step: as a scan's `unroll` says, where 0 stands for all of its
    turns."""
    if step.name != "scan":
        return 1
    turns, unroll = step.equation.params["length"], int(step.equation.params["unroll"])
    return max(1, min(unroll or turns, turns))


def opaque(part: Part) -> str:
    """The first primitive that leaves the program, after which nothing can be proved of it; "" where there is none."""
    return next((visit.step.name for visit in walk(part) if visit.step.name in OPAQUE), "")


def line_of_complaint(function, arguments, complaint: str, path: str) -> list | None:
    """The student's line that the complaint of a lowering is about: it names a place, or a primitive that is in the
    kernel."""
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


def place(visit: Visit | None) -> dict:
    """Where a visit is, as a part of facts."""
    return dict(inside=list(visit.inside) if visit else [], line=list(visit.line) if visit and visit.line else None)
