"""How much a program computes, and where: its arithmetic operations, by whichever primitive they are written."""

from __future__ import annotations

import math

from grader.program.read import CALLS, EXPONENTIALS, LOOPS, PRODUCTS, Part, grid_of, place, walk

# What only moves, chooses or renames numbers, and what only holds other steps.
MOVES = (
    "bitcast_convert_type",
    "broadcast_in_dim",
    "broadcast_to",
    "concatenate",
    "convert_element_type",
    "copy",
    "device_put",
    "dynamic_slice",
    "dynamic_update_slice",
    "empty",
    "empty2",
    "gather",
    "get",
    "imag",
    "iota",
    "masked_load",
    "masked_swap",
    "multiple_of",
    "name",
    "num_programs",
    "optimization_barrier",
    "pad",
    "pin",
    "program_id",
    "real",
    "reshape",
    "rev",
    "scatter",
    "select_n",
    "sharding_constraint",
    "slice",
    "split",
    "squeeze",
    "stack",
    "stop_gradient",
    "swap",
    "tie",
    "tile",
    "transpose",
    "unpin",
    "unstack",
    "with_memory_space_constraint",
)
HOLDS = (*CALLS, *LOOPS, "cond", "custom_linear_solve", "run_scoped")
# One operation for each number, or few.
ELEMENTWISE = (
    "abs",
    "add",
    "add_any",
    "and",
    "ceil",
    "clamp",
    "div",
    "eq",
    "eq_to",
    "floor",
    "ge",
    "gt",
    "integer_pow",
    "is_finite",
    "le",
    "le_to",
    "lt",
    "lt_to",
    "max",
    "min",
    "mul",
    "ne",
    "neg",
    "nextafter",
    "not",
    "or",
    "reciprocal",
    "reduce_precision",
    "rem",
    "round",
    "rsqrt",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "sqrt",
    "square",
    "sub",
    "xor",
)
SOLVERS = (
    "cholesky",
    "eig",
    "eigh",
    "hessenberg",
    "householder_product",
    "lu",
    "qr",
    "schur",
    "svd",
    "triangular_solve",
    "tridiagonal",
    "tridiagonal_solve",
)


def flops(part: Part, path: str, *, limit: int, length: int = 0) -> dict:
    """Arithmetic operations, loops counted as often as they run; `exact` is False where that depends on values."""
    return _counted("flops", operations, part, path, limit) | dict(length=length)


def products(part: Part, path: str, *, limit: int) -> dict:
    """The same of the multiplications in products of matrices alone."""
    return _counted("products", multiplications, part, path, limit)


def _counted(what: str, of_step, part: Part, path: str, limit: int) -> dict:
    total, exact, most = 0, True, (-1, None)
    for visit in walk(part, path):
        count = of_step(visit.step.equation)
        if count:
            exact = exact and visit.times is not None
            total, most = (
                total + (visit.times or 1) * count,
                max(most, ((visit.times or 1) * count, visit), key=lambda pair: pair[0]),
            )
    unproved = {} if exact or total > limit else {"unproved": "it has a loop that runs as often as numbers say"}
    return {what: total} | dict(exact=exact, limit=limit) | place(most[1]) | unproved


def kernel(part: Part, path: str, *, grid: int = 0) -> dict:
    """How many pallas_calls run (-1: that depends on values), how many steps their grids have, whether one of them
    exponentiates, and the first piece of the work outside of them."""
    calls, works, outside, steps = 0, False, None, 0
    for visit in walk(part, path):
        name = visit.step.name
        if "kernel" in visit.inside:
            works = works or name in EXPONENTIALS
        elif name == "pallas_call":
            calls = calls + visit.times if visit.times is not None and calls >= 0 else -1
            steps += math.prod(grid_of(visit.step.equation))
        elif outside is None and name not in (*MOVES, *ELEMENTWISE, *CALLS, "cond"):
            outside = visit
    return dict(calls=calls, steps=steps, grid=grid, works=works, outside=outside.step.name if outside else "") | place(
        outside
    )


def operations(equation) -> int:
    """Of one step: multiplications and additions in a product, one for each number that goes into anything else or
    comes out of it."""
    name = equation.primitive.name
    if name in MOVES or name in HOLDS:
        return 0
    if name in PRODUCTS:
        return 2 * multiplications(equation)
    ins, outs = (
        [math.prod(getattr(var.aval, "shape", ())) for var in vars] for vars in (equation.invars, equation.outvars)
    )
    if name.startswith("scatter") or name == "addupdate":  # what is added, not what it is added to
        return ins[-1] if name != "addupdate" else ins[1]
    if name == "fft":
        return 5 * outs[0] * math.ceil(math.log2(max(outs[0], 2)))
    window = (
        math.prod(equation.params.get("window_dimensions", ()))
        if name.startswith(("reduce_window", "select_and"))
        else 1
    )
    length = equation.invars[0].aval.shape[-1] if name in SOLVERS else 1
    return max(0, *ins, *outs) * window * length


def multiplications(equation) -> int:
    """Of one step: those of a product of matrices, 0 of anything else."""
    name = equation.primitive.name
    return PRODUCT_TERMS[name](equation) if name in PRODUCTS else 0


def _dot(equation) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    return _size(equation.outvars[0]) * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)


def _ragged_dot(equation) -> int:
    """Each row of the left meets the columns of one group on the right."""
    numbers = equation.params["ragged_dot_dimension_numbers"]
    (_, contracted), (_, batch) = numbers.dot_dimension_numbers
    held = {*contracted, *batch, *numbers.rhs_group_dimensions}
    return _size(equation.invars[0]) * math.prod(
        size for axis, size in enumerate(equation.invars[1].aval.shape) if axis not in held
    )


def _convolution(equation) -> int:
    window = equation.invars[1].aval.shape
    return _size(equation.outvars[0]) * math.prod(window) // window[equation.params["dimension_numbers"].rhs_spec[0]]


def _size(var) -> int:
    return math.prod(var.aval.shape)


PRODUCT_TERMS = {"dot_general": _dot, "ragged_dot_general": _ragged_dot, "conv_general_dilated": _convolution}


def turns(part: Part, path: str, *, limit: int) -> dict:
    """The turns of the loop that takes most of them, those inside another one counted for each of its turns."""
    most, where, known = 0, None, True
    for visit in walk(part, path):
        if visit.step.name == "while" and all(inner.times is None for inner in visit.step.parts):
            known = False
        if visit.step.name == "scan" and visit.times is not None:
            taken = visit.times * visit.step.equation.params["length"]
            if taken > most:
                most, where = taken, visit
    unproved = {} if known or most > limit else {"unproved": "it has a loop that runs as often as numbers say"}
    return dict(turns=most, limit=limit, by=where.step.name if where else "") | place(where) | unproved


# What devices exchange, by the names that several versions of JAX have for it.
COLLECTIVES = {
    "psum": "psum",
    "psum2": "psum",
    "psum_invariant": "psum",
    "pmax": "pmax",
    "pmin": "pmin",
    "all_gather": "all_gather",
    "all_gather_invariant": "all_gather",
    "all_gather_reduced": "all_gather",
    "all_to_all": "all_to_all",
    "ppermute": "ppermute",
    "collective_permute": "ppermute",
    "reduce_scatter": "reduce_scatter",
    "psum_scatter": "reduce_scatter",
    "unreduced_psum": "psum",
}


def collectives(part: Part, path: str) -> dict:
    """How often each collective runs, loops counted as often as they run, and the first line that has one."""
    found: dict[str, float] = {}
    first = None
    for visit in walk(part, path):
        if name := COLLECTIVES.get(visit.step.name):
            found[name] = found.get(name, 0) + (math.inf if visit.times is None else visit.times)
            first = first or visit
    return dict(collectives=found) | dict(line=place(first)["line"] if first else None)
