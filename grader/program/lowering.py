"""What compilers make of a program: the memory that it takes once compiled, and whether its kernel lowers for a TPU or
a GPU that is not here."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import jax
import jax.export
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun
from jax.sharding import AbstractDevice, AbstractMesh

from grader.program.read import program, walk

DEVICES = {"tpu": "TPU v5 lite", "gpu": "NVIDIA H100"}
KERNELS = {"tpu": "tpu_custom_call", "gpu": "triton"}  # how a compiled kernel is called in what is lowered
NO_KERNEL = "no kernel"
LONGEST = 2000
LONGEST_PROGRAM = 1000  # equations of a program that is compiled to see what memory it takes


@contextlib.contextmanager
def setting(name: str, value):
    """A setting of JAX for a while; nothing where this version has none of that name."""
    if name not in jax.config.values:
        yield
        return
    kept = jax.config.values[name]
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, kept)


def memory(closed, *, length: int, limit: int) -> dict:
    """Bytes of temporaries of the compiled program, optimised as a user's is, for inputs of a length. No bytes are no
    measurement."""
    facts = dict(bytes=0, length=length, limit=limit)
    if sum(1 for _ in walk(program(closed))) > LONGEST_PROGRAM:
        return facts | dict(unproved="the program is too long to be compiled for it")
    with setting("jax_disable_most_optimizations", False):
        compiled = jax.jit(jaxpr_as_fun(closed)).lower(*closed.in_avals).compile()
    size = int(getattr(compiled.memory_analysis(), "temp_size_in_bytes", 0))
    return facts | (
        dict(bytes=size) if size > 0 else dict(unproved="the compiler does not say how much memory it takes")
    )


def lowering(function, arguments, platform: str) -> dict:
    """Whether the function lowers for a platform, and to a kernel; what is said against it otherwise, and in which
    line."""
    error, text = None, ""
    device = AbstractDevice(device_kind=DEVICES[platform], num_cores=None, platform=platform)
    with (
        warnings.catch_warnings(),
        jax.sharding.use_abstract_mesh(AbstractMesh((), (), abstract_device=device)),
        setting("jax_pallas_use_mosaic_gpu", False),
    ):
        warnings.simplefilter("ignore")  # Pallas-Triton is deprecated, which is no matter of the student's
        try:
            if platform == "tpu":
                text = jax.export.export(jax.jit(function), platforms=["tpu"])(*arguments).mlir_module()
            else:
                text = jax.jit(function).trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()
        except Exception as raised:
            error = raised
    if error is None and KERNELS[platform] in text:
        return dict(complaint="")
    return dict(complaint=f"{type(error).__name__}: {error}"[:LONGEST] if error else NO_KERNEL)


def races(function, arguments) -> dict:
    """Runs the function as a TPU would, but with the steps of each grid in parallel; whether they race, and what is
    said against it otherwise.

    On a TPU the steps of a grid follow one another, on a GPU they run at once; a portable kernel cannot count on an
    order.
    """
    # the only place where JAX keeps the answer; its documentation names it
    from jax._src.pallas.mosaic.interpret import interpret_pallas_call

    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _quiet():
            closed = jax.make_jaxpr(function)(*arguments)
            jax.block_until_ready(
                jaxpr_as_fun(closed.replace(jaxpr=_in_parallel(closed.jaxpr)))(*jax.tree.leaves(arguments))
            )
    except Exception as error:
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        race = any("RACE DETECTED" in line for line in said)  # jax 0.12 raises, earlier versions remember
        return dict(race=race, complaint="" if race else (said[-1] if said else type(error).__name__)[:LONGEST])
    found = getattr(interpret_pallas_call, "races", None)
    return dict(race=bool(getattr(found, "races_found", False)), complaint="")


def _in_parallel(jaxpr: Jaxpr) -> Jaxpr:
    """The program with every grid's steps declared to be in no order; a kernel that declares their order itself keeps
    it."""
    from jax.experimental.pallas import tpu

    equations = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "pallas_call":
            parallel = tpu.CompilerParams(dimension_semantics=("parallel",) * len(equation.params["grid_mapping"].grid))
            changed = dict(compiler_params=equation.params["compiler_params"] or parallel)
        else:
            changed = {
                name: jax.tree.map(_rewritten, value, is_leaf=_is_program)
                for name, value in equation.params.items()
                if any(map(_is_program, jax.tree.leaves(value, is_leaf=_is_program)))
            }
        equations.append(equation.replace(params=equation.params | changed))
    return jaxpr.replace(eqns=equations)


def _is_program(value) -> bool:
    return isinstance(value, (Jaxpr, ClosedJaxpr))


def _rewritten(value):
    return (
        value.replace(jaxpr=_in_parallel(value.jaxpr))
        if isinstance(value, ClosedJaxpr)
        else _in_parallel(value)
        if isinstance(value, Jaxpr)
        else value
    )


@contextlib.contextmanager
def _quiet():
    """JAX logs what a callback raises before it raises it again."""
    logger = logging.getLogger("jax._src.callback")
    kept, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = kept


def tpu_interpreter():
    from jax.experimental.pallas import tpu

    return tpu.InterpretParams(detect_races=True, out_of_bounds_reads="raise", num_cores_or_threads=2)
