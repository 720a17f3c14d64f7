"""What an exception means: a sentence about the student's own line, and what to write instead. Errors of JAX and NNX
are translated where their words do not say it."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from grader.course.verdict import Failure

LONGEST = 400  # letters of what an exception says
TYPE = r"(\w+\[[\d,]*\])"  # as JAX writes one: float32[2,3]
UNKNOWN = "but under `jit` its values are not known yet"

TURNS = "swaps two axes as PyTorch does (`transpose(-2, -1)`)"
SWAP = "JAX's `transpose` takes the whole order of axes; two of them change places by `x.swapaxes(-2, -1)`."


@dataclass(frozen=True)
class Meaning:
    """What exceptions of a type mean that say something, in a line that is written in a certain way, `within` a
    function of that name, or in a `plain` call alone. Of what they say no word is told but what a group of `says` took;
    where that is to be `static`, it is an argument of the call that is a Python value."""

    type: str  # or one of its bases; any where it is empty
    does: str
    instead: str
    says: str = ""
    line: str = ""
    within: str = ""
    plain: bool = False
    static: bool = False

    def of(self, failure: Failure, kind: str, static: Container[str]) -> tuple[str, str] | None:
        """What the line does and what to do instead, if this is what the failure means."""
        said = re.search(self.says, failure.message, re.DOTALL)
        written = not self.line or failure.lines and re.search(self.line, failure.lines[-1][2])
        inside = not self.within or failure.lines and failure.lines[-1][1].split(".")[-1] == self.within
        of_type = not self.type or failure.is_a(self.type)
        here = of_type and inside and (not self.plain or kind == "eager")
        if not (said and written and here) or self.static and said[1] not in static:
            return None
        return self.does.format(*said.groups()), self.instead.format(*said.groups())


# The first one that fits is told.
MEANINGS = (
    Meaning(
        "TracerBoolConversionError",
        "asks `{0}`, which a `jit` of the file's own has made an array",
        "`{0}` chooses between programs, so it stays a Python value: leave `jit` to the caller, or name it in "
        "`static_argnames`.",
        says=r"depends on the values? of the arguments? (\w+)[.,]",
        static=True,
    ),
    Meaning(
        "TracerBoolConversionError",
        "asks whether an array is true, as `or`, `and` and `not` do, " + UNKNOWN,
        "Whether an argument was given is asked by `is None`. Choose between arrays with `jnp.where`.",
        line=r"\b(or|and|not)\b",
    ),
    Meaning(
        "TracerBoolConversionError",
        "asks whether an array is true (`if`, `while`, `and`, `not`, `assert`), " + UNKNOWN,
        "Choose between arrays with `jnp.where`, between computations with `jax.lax.cond`. Shapes are ordinary "
        "numbers and may be asked.",
    ),
    Meaning(
        "ValueError",
        "asks whether an array of several elements is true, as `or`, `and` and `not` do",
        "Whether an argument was given is asked by `is None`. Choose between arrays with `jnp.where`.",
        says="truth value of an array with more than one element",
        line=r"\b(or|and|not)\b",
    ),
    Meaning(
        "ValueError",
        "asks whether an array of several elements is true",
        "Choose between arrays with `jnp.where`; to ask whether an argument was given, write `is None`.",
        says="truth value of an array with more than one element",
    ),
    Meaning(
        "TracerIntegerConversionError",
        "uses an array's value where Python needs an integer (an index, `range`, a size), " + UNKNOWN,
        "Take sizes from `x.shape`; index with `jnp.take` or `jax.lax.dynamic_slice`.",
    ),
    Meaning(
        "ConcretizationTypeError",
        "needs the number inside an array (`int`, `float`, `.item()`, `.tolist()`, a shape), " + UNKNOWN,
        "Take sizes from `x.shape`, and keep values in arrays: `jnp.sqrt(n)` rather than `math.sqrt(float(array))`.",
    ),
    Meaning(
        "NonConcreteBooleanIndexError",
        "picks elements with a boolean mask, which makes a shape that depends on values",
        "Keep the shape and choose with `jnp.where(mask, x, other)`.",
    ),
    Meaning(
        "TracerArrayConversionError",
        "hands an array to NumPy (`np.…`), but under `jit`, `vmap` and `grad` its values are not known yet",
        "Use the same function from `jax.numpy`: `jnp.…`.",
    ),
    Meaning(
        "TraceContextError",
        "draws from `rngs` inside a transform that they were not passed into",
        "Split them first, `rngs.split(n)`, and pass the split streams in as an argument, one set for each call.",
        says=r"mutate Rng\w+ from a different trace level",
    ),
    Meaning(
        "TraceContextError",
        "writes a variable in `__call__`, which a transform of the file's own is put around (`@jax.jit`), without the "
        "module as its argument",
        "Take the `jit` off the method: whoever calls the module compiles it, with `nnx.jit`, which passes it in.",
        says=r"mutate [A-Z]\w* from a different trace level",
        within="__call__",
        plain=True,
    ),
    Meaning(
        "TraceContextError",
        "writes a variable inside a transform (`scan`, `jit`, `vmap`, …) that it was not passed into",
        "Carry the arrays through the loop or return them, and write the variable once, after it.",
        says=r"mutate [A-Z]\w* from a different trace level",
    ),
    Meaning(
        "TraceContextError",
        "changes a module from inside a transform that it was not passed into",
        "Let the function inside return its result; set attributes in `__init__` only.",
    ),
    Meaning(
        "ValueError",
        "hands a transform of NNX a module that comes from outside of the transform around it",
        "Pass the module into the outer one as an argument too. Or split it, `graphdef, state = nnx.split(module)`, "
        "loop over the state with `jax.lax.scan`, and `nnx.merge` inside.",
        says="extract graph node from different trace level",
    ),
    Meaning(
        "UnexpectedTracerError",
        "uses an intermediate value of an earlier call that was kept outside the function",
        "Keep nothing between calls: no globals, no lists to append to, no attributes set in `__call__`.",
    ),
    Meaning(
        "IndexError",
        "slices an array by a value (`a[i:j]`), " + UNKNOWN + ", and the shape of a slice has to be",
        "Write with `jax.lax.dynamic_update_slice`, read a piece of fixed size with `jax.lax.dynamic_slice`, or take "
        "all of it under a mask.",
        says="lice.*static|static.*lice",
    ),
    Meaning(
        "ValueError",
        "maps `{2}` along an axis of length {0}, its axis {1}, and `{5}` along one of length {3}, its axis {4}",
        "All axes that `jax.vmap` maps have one length. `in_axes` says for each argument which of its axes that is, "
        "and None for one that is passed whole.",
        says=r"vmap got inconsistent sizes.*? size (\d+)\W.*?axis (\d+) of (?:argument |kwarg )?(\S+)"
        r".*? size (\d+)\W.*?axis (\d+) of (?:argument |kwarg )?(\S+)",
    ),
    Meaning(
        "TypeError",
        "gives back a carry of another type: `{0}` comes into the loop's body, `{1}` goes out",
        "The carry keeps its shape and dtype: begin with the dtype that it ends with, and cast with `.astype` where "
        "it changes.",
        says=f"carry input and carry output must have equal types.*has type {TYPE}.*has type {TYPE}",
    ),
    Meaning(
        "TypeError",
        "gives back a carry of another structure than came into the loop's body",
        "Return `carry, output`, with the carry's parts in the order in which they came in.",
        says="carry input and carry output must have the same pytree structure",
    ),
    Meaning(
        "TypeError",
        "has a loop body that returns one value; `jax.lax.scan` wants two",
        "Return `carry, output`; the output may be None.",
        says="scan body output must be a pair",
    ),
    Meaning(
        "TypeError",
        "has branches that give different types: `{0}` and `{1}`",
        "Both branches of `jax.lax.cond` give the same shapes and dtypes.",
        says=f"cond branches must have equal output types.*has type {TYPE}.*has type {TYPE}",
    ),
    Meaning(
        "TypeError",
        "assigns into an array, and JAX's arrays never change",
        "By a mask: `x = jnp.where(mask, value, x)`. At places that are known: `x = x.at[i].set(value)`.",
        says="immutable and do not support in-place",
    ),
    Meaning(
        "ValueError",
        "keeps modules or arrays in a plain {0}, `self.{1}`, which NNX does not look into",
        "Give each an attribute of its own, under the name that the contract has; for what has no name there, "
        "`nnx.List([...])` or `nnx.Dict(...)`.",
        says=r"Found data on value of type '<class '(list|dict|tuple)'>' assigned to static attribute '(\w+)'",
    ),
    Meaning(
        "ValueError",
        "keeps an array that a call computed in a plain attribute of the module, which `jit` takes for a part of the "
        "program",
        "Return it, or do without: nothing that a call computes stays on the module but in its variables.",
        says="checking equality of metadata fields of pytree",
    ),
    Meaning(
        "",
        "uses a ref where an array is needed",
        "Read a ref with `x_ref[...]`, and write with `o_ref[...] = value`.",
        says="AbstractRef|to pass a Ref|got a Ref of type|arguments, got <class '[^']*DynamicJaxprTracer'>",
    ),
    Meaning(
        "TypeError",
        "comes to a `BlockSpec` that has its index map first",
        "The order is `pl.BlockSpec(block_shape, index_map)`.",
        says="'function' object is not iterable",
        line="BlockSpec|pallas_call|grid",
    ),
    Meaning(
        "TypeError",
        "has an index map, or a kernel, that takes {0} and is given {1}",
        "An index map takes one number for each axis of the grid; a kernel takes one ref for each input, output and "
        "scratch array.",
        says=r"takes (\d+) positional arguments? but (\d+) w(?:as|ere) given",
        line="BlockSpec|pallas_call|grid",
    ),
    Meaning(
        "ValueError",
        "has an index map that returns {1} instead of {0}",
        "It returns one block index for each axis of the block's shape.",
        says=r"Index map function.* must return (\d+) values.*Currently returning (\d+) values",
    ),
    Meaning(
        "ValueError",
        "has a kernel that returns something",
        "A kernel returns nothing: it writes its output, `o_ref[...] = value`.",
        says="kernel function in the pallas_call.* should return None",
    ),
    Meaning(
        "TypeError",
        TURNS,
        SWAP,
        says="transpose permutation isn't a permutation",
        line=r"transpose\((.+, *)?-?\d, *-?\d\)",
    ),
    Meaning("TypeError", TURNS, SWAP, line=r"\.transpose\(-2, *-1\)"),  # which changes nothing of a matrix
    Meaning(
        "",
        "multiplies by an array's `.T`, which turns all of its axes round, those of a batch too",
        "The last two axes change places by `x.swapaxes(-1, -2)` or `x.mT`.",
        says=r"(matmul|dot_general).*\[\d+(,\d+){2,}\].*\[\d+(,\d+){2,}\]",
        line=r"\.T\b",
    ),
    Meaning(
        "TypeError",
        "passes `dim`, which is PyTorch's word",
        "In JAX it is `axis`.",
        says="unexpected keyword argument 'dim'",
    ),
    Meaning(
        "TypeError",
        "passes `keepdim`, which is PyTorch's word",
        "In JAX it is `keepdims`.",
        says="unexpected keyword argument 'keepdim'",
    ),
    Meaning(
        "AttributeError",
        "calls `{0}`, which PyTorch's tensors have",
        "In JAX: `jnp.where(mask, value, x)`.",
        says="has no attribute '(masked_fill_?)'",
    ),
    Meaning(
        "AttributeError",
        "calls `{0}`, which PyTorch's tensors have",
        "JAX's arrays have `reshape`, `swapaxes`, `astype` and `jnp.expand_dims`.",
        says="has no attribute '(permute|contiguous|unsqueeze|float|type_as|matmul)'",
    ),
    Meaning(
        "NotImplementedError",
        "calls `view` with a shape, as PyTorch does",
        "In JAX it is `reshape`.",
        says="array.view",
    ),
    Meaning(
        "TypeError",
        "calls `size`, which is a number here",
        "Take an axis's length from `x.shape[-1]`.",
        says="'int' object is not callable",
        line=r"\.size\(",
    ),
)


def explain_failure(failure: Failure, kind: str, static: Container[str] = ()) -> tuple[str, str]:
    """A sentence about what was raised, and advice. `static` are the arguments of the call that are Python values."""
    where = f"line {failure.lines[-1][0]}" if failure.lines else "the call"
    for does, instead in filter(None, (meaning.of(failure, kind, static) for meaning in MEANINGS)):
        return f"{where} {does}", instead
    message = _said(failure)
    said = f"{failure.type}: {message}"  # so that it stands as Python's word, not as ours
    if failure.type == "ParameterMismatch":
        return (
            "its parameters are not those of the contract, so the case's values cannot be loaded",
            "Mend the parameters first.",
        )
    if failure.type == "SystemExit":
        return f"{where} ends the program (`sys.exit()`, `exit()` or `quit()`)", "Leave a function with `return`."
    if failure.out_of_memory:
        return (
            f"{where} asks for more memory than the grader gives",
            "The cases are small: look for an array whose shape is a product of values, or a list that grows without "
            "end.",
        )
    if failure.type == "EOFError":
        return (
            f"{where} reads standard input, which is empty here",
            "Take everything from the arguments; nobody can type while a verdict is made.",
        )
    if failure.type == "BdbQuit":
        return (
            "it stops at a `breakpoint()`, where nobody can type",
            "Take it out for a verdict; it works under `python -m grader debug`.",
        )
    if failure.type == "RecursionError":
        return f"{where} calls itself without end", "A function that calls itself needs a case in which it does not."
    if "Non-hashable static arguments" in failure.message or failure.message.startswith("unhashable type"):
        return (
            f"{where} passes a list, dict or array where something hashable is needed (a static argument, a dict key)",
            "Static arguments of `jax.jit` are numbers, strings, booleans or tuples of them.",
        )
    if failure.type == "TypeError" and kind == "grad" and "grad requires" in failure.message:
        return (
            f"the gradient cannot be taken: {said}",
            "Keep the computation in floating point from the inputs to the output.",
        )
    if failure.type == "TypeError" and not failure.lines and ("argument" in failure.message):
        return (
            f"it cannot be called as the contract says: {said}",
            "Keep the names and the order of the arguments as the stub came with them.",
        )
    if failure.is_a("ModuleNotFoundError"):
        return (
            f"{where} imports something that is not installed here: {said}",
            "A stub may import the standard library, numpy, jax, flax, optax, einops and jaxtyping.",
        )
    return f"{where} raises {failure.type}" + (f": {message}" if message else ""), ""


def _said(failure: Failure) -> str:
    """The first line of what an exception says; where that ends with a colon, what it announces too. A path on this
    machine says nothing."""
    first, *others = failure.message.strip().splitlines() or [""]
    if first.rstrip().endswith(":"):
        first = " ".join([first.strip(), *(line.strip(" *;") + ";" for line in others if line.strip())]).rstrip(";")
    message = re.sub(r" \(/.*\)$", "", first)
    return message if len(message) <= LONGEST else message[:LONGEST] + " …"
