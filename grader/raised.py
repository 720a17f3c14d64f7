"""What an exception means: a sentence about the student's own line, and what to write instead. Errors of JAX and NNX are translated where their words do not say it."""

from __future__ import annotations

import re

from grader.verdict import Failure

# Exception type -> (what the line does, what to do instead), for errors that need a translation.
TRACER_ERRORS = {
    "TracerBoolConversionError": (
        "asks whether an array is true (`if`, `while`, `and`, `not`, `assert`), but under `jit` its values are not known yet",
        "Choose between arrays with `jnp.where`, between computations with `jax.lax.cond`. Shapes are ordinary numbers and may be asked."),
    "TracerIntegerConversionError": (
        "uses an array's value where Python needs an integer (an index, `range`, a size), but under `jit` its values are not known yet",
        "Take sizes from `x.shape`; index with `jnp.take` or `jax.lax.dynamic_slice`."),
    "ConcretizationTypeError": (
        "needs the number inside an array (`int`, `float`, `.item()`, `.tolist()`, a shape), but under `jit` its values are not known yet",
        "Take sizes from `x.shape`, and keep values in arrays: `jnp.sqrt(n)` rather than `math.sqrt(float(array))`."),
    "NonConcreteBooleanIndexError": (
        "picks elements with a boolean mask, which makes a shape that depends on values",
        "Keep the shape and choose with `jnp.where(mask, x, other)`."),
    "TracerArrayConversionError": (
        "hands an array to NumPy (`np.…`), but under `jit`, `vmap` and `grad` its values are not known yet",
        "Use the same function from `jax.numpy`: `jnp.…`."),
    "TraceContextError": (
        "changes a module from inside a transform that it was not passed into",
        "Let `__call__` return its result, and set attributes in `__init__` only."),
    "UnexpectedTracerError": (
        "uses an intermediate value of an earlier call that was kept outside the function",
        "Keep nothing between calls: no globals, no lists to append to, no attributes set in `__call__`."),
}

LONGEST = 400                                   # letters of what an exception says


def explain_failure(failure: Failure, kind: str) -> tuple[str, str]:
    """A sentence about what was raised, and advice."""
    where = f"line {failure.lines[-1][0]}" if failure.lines else "the call"
    for name, (does, instead) in TRACER_ERRORS.items():
        if failure.is_a(name):
            return f"{where} {does}", instead
    if failure.type == "IndexError" and "lice" in failure.message and "static" in failure.message:
        return f"{where} slices an array by a value (`a[i:j]`), but under `jit` its values are not known yet, and the shape of a slice has to be", \
            "Write with `jax.lax.dynamic_update_slice`, read a piece of fixed size with `jax.lax.dynamic_slice`, or take all of it under a mask."
    message = re.sub(r" \(/.*\)$", "", (failure.message.strip().splitlines() or [""])[0])     # a path on this machine says nothing
    message = message if len(message) <= LONGEST else message[:LONGEST] + " …"
    said = f"{failure.type}: {message}"             # so that it stands as Python's word, not as ours
    if failure.type == "ParameterMismatch":
        return "its parameters are not those of the contract, so the case's values cannot be loaded", "Mend the parameters first."
    if failure.type == "SystemExit":
        return f"{where} ends the program (`sys.exit()`, `exit()` or `quit()`)", "Leave a function with `return`."
    if failure.out_of_memory:
        return f"{where} asks for more memory than the grader gives", "The cases are small: look for an array whose shape is a product of values, or a list that grows without end."
    if failure.type == "EOFError":
        return f"{where} reads standard input, which is empty here", "Take everything from the arguments; nobody can type while a verdict is made."
    if failure.type == "BdbQuit":
        return "it stops at a `breakpoint()`, where nobody can type", "Take it out for a verdict; it works under `python -m grader debug`."
    if failure.type == "RecursionError":
        return f"{where} calls itself without end", "A function that calls itself needs a case in which it does not."
    if "Non-hashable static arguments" in failure.message or failure.message.startswith("unhashable type"):
        return f"{where} passes a list, dict or array where something hashable is needed (a static argument, a dict key)", \
            "Static arguments of `jax.jit` are numbers, strings, booleans or tuples of them."
    if failure.type == "TypeError" and kind == "grad" and "grad requires" in failure.message:
        return f"the gradient cannot be taken: {said}", "Keep the computation in floating point from the inputs to the output."
    if failure.type == "TypeError" and not failure.lines and ("argument" in failure.message):
        return f"it cannot be called as the contract says: {said}", "Keep the names and the order of the arguments as the stub came with them."
    if failure.is_a("ModuleNotFoundError"):
        return f"{where} imports something that is not installed here: {said}", "A stub may import the standard library, numpy, jax, flax, optax, einops and jaxtyping."
    return f"{where} raises {failure.type}" + (f": {message}" if message else ""), ""
