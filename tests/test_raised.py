"""What is said of an exception, word for word. What is translated is raised here by a program that students write,
under the JAX and Flax that are installed."""

from __future__ import annotations

import linecache

import pytest

from grader.course.verdict import Failure
from grader.judge.raised import MEANINGS, explain_failure
from grader.run.failure import failure_of

LINES = ((3, "helper", "a"), (9, "sdpa", "b"))
PATH = "/somewhere/stub.py"
BEGIN = """import functools, jax, jax.numpy as jnp, numpy as np
from flax import nnx
from jax.experimental import pallas as pl
x, y = jnp.ones((4, 8)), jnp.ones((6, 8))
class Module(nnx.Module):
    def __init__(self): self.kept = nnx.Cache(jnp.zeros(8))
def call(kernel, **options): return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct((8, 8), jnp.float32), interpret=True, **options)
def whole(): return pl.BlockSpec((4, 8), lambda i: (i, 0))
def copy(x_ref, o_ref): o_ref[...] = x_ref[...]
"""  # noqa: E501


def raised(program: str) -> Failure:
    """What the last line of a program raises."""
    linecache.cache[PATH] = len(program), None, (BEGIN + program).splitlines(keepends=True), PATH
    try:
        exec(compile(BEGIN + program, PATH, "exec"), {})
    except Exception as error:
        return failure_of(error, PATH)
    raise AssertionError("nothing is raised")


# A program, and how the sentence about it and its advice begin.
PROGRAMS = {
    "if": (
        "jax.jit(lambda x: 1 if x else 2)(x[0, 0])",
        "asks whether an array is true (`if`,",
        "Choose between arrays with `jnp.where`, between",
    ),
    "or": (
        "jax.jit(lambda x: x or 2)(x[0, 0])",
        "asks whether an array is true, as `or`,",
        "Whether an argument was given is asked by `is None`.",
    ),
    "or of many": (
        "x > 0 or 1",
        "asks whether an array of several elements is true, as",
        "Whether an argument was given is asked by `is None`.",
    ),
    "if of many": (
        "if x > 0: pass",
        "asks whether an array of several elements is true",
        "Choose between arrays with `jnp.where`; to ask",
    ),
    "a static argument": (
        "nnx.jit(lambda x, causal: x if causal else 2)(x, True)",
        "asks `causal`, which a `jit` of the file's own has made an array",
        "`causal` chooses between programs",
    ),
    "range": (
        "jax.jit(lambda x: [*range(x)])(3)",
        "uses an array's value where Python needs an integer",
        "Take sizes from",
    ),
    "float": ("jax.jit(lambda x: float(x))(3.0)", "needs the number inside an array", "Take sizes from"),
    "boolean index": ("jax.jit(lambda x: x[x > 0])(x)", "picks elements with a boolean mask", "Keep the shape"),
    "numpy": ("jax.jit(lambda x: np.exp(x))(x)", "hands an array to NumPy", "Use the same function"),
    "slice": (
        "jax.jit(lambda x, n: x[:n])(x, 2)",
        "slices an array by a value",
        "Write with `jax.lax.dynamic_update_slice`",
    ),
    "a variable written in a scan": (
        "m = Module()\ndef step(carry, row):\n    m.kept[...] = row\n    return carry, row\njax.lax.scan(step, 0.0, x)",
        "writes a variable inside a transform",
        "Carry the arrays through the loop",
    ),
    "a variable written in an inner jit": (
        "m = Module()\n@jax.jit\ndef write(row):\n    m.kept[...] = row\nwrite(x[0])",
        "writes a variable inside a transform",
        "Carry the arrays",
    ),
    "an attribute set in a scan": (
        "m = Module()\ndef step(carry, row):\n    m.seen = row\n    return carry, row\njax.lax.scan(step, 0.0, x)",
        "changes a module from inside a transform",
        "Let the function inside return",
    ),
    "rngs closed over": (
        "rngs = nnx.Rngs(0)\nnnx.vmap(lambda: nnx.Linear(2, 2, rngs=rngs), axis_size=3)()",
        "draws from `rngs` inside a transform",
        "Split them first, `rngs.split(n)`",
    ),
    "a module closed over": (
        "m = Module()\nscan = nnx.scan(lambda m, c: c, in_axes=(0, nnx.Carry), out_axes=nnx.Carry)\n"
        "jax.jit(lambda c: scan(m, c))(0.0)",
        "hands a transform of NNX a module that comes from outside",
        "Pass the module into the outer one",
    ),
    "a kept tracer": (
        "kept = []\njax.jit(lambda x: kept.append(x))(x)\nkept[0] + 1",
        "uses an intermediate value of an earlier call",
        "Keep nothing between calls",
    ),
    "carry dtype": (
        "jax.lax.scan(lambda c, row: ((c + row).astype(jnp.bfloat16), None), jnp.zeros(8), x)",
        "gives back a carry of another type: `float32[8]` comes into the loop's body, `bfloat16[8]` goes out",
        "The carry keeps its shape and dtype",
    ),
    "carry of a loop": (
        "jax.lax.fori_loop(0, 4, lambda i, c: c[None], jnp.zeros(8))",
        "gives back a carry of another type: `float32[8]` comes into the loop's body, `float32[1,8]`",
        "The carry",
    ),
    "carry structure": (
        "jax.lax.scan(lambda c, row: ((c, c), None), jnp.zeros(8), x)",
        "gives back a carry of another structure",
        "Return `carry, output`",
    ),
    "vmap's sizes": (
        "jax.vmap(lambda a, b: a @ b, (0, 1))(x, x)",
        "maps `a` along an axis of length 4, its axis 0, and `b` along one of length 8, its axis 1",
        "All axes that `jax.vmap` maps have one length.",
    ),
    "vmap's sizes, most alike": (
        "jax.vmap(lambda a, b, c: a)(x, x, x[:1])",
        "maps `a` along an axis of length 4, its axis 0, and `c` along one of length 1, its axis 0",
        "All axes that `jax.vmap` maps have one length.",
    ),
    "jit around the method": (
        "class Counter(nnx.Module):\n    def __init__(self):\n        self.n = nnx.Variable(jnp.zeros(()))\n"
        "    @functools.partial(jax.jit, static_argnums=0)\n    def __call__(self, x):\n        self.n[...] = x.sum()\n"
        "        return x\nCounter()(x)",
        "writes a variable in `__call__`, which a transform of the file's own is put around",
        "Take the `jit` off the method",
    ),
    "no pair": (
        "jax.lax.scan(lambda c, row: c + row, jnp.zeros(8), x)",
        "has a loop body that returns one value",
        "Return `carry, output`",
    ),
    "branches": (
        "jax.lax.cond(True, lambda: x, lambda: y)",
        "has branches that give different types: `float32[4,8]` and `float32[6,8]`",
        "Both branches",
    ),
    "assignment": ("x[0] = 1", "assigns into an array", "By a mask: `x = jnp.where(mask, value, x)`."),
    "a list of modules": (
        "class Layers(nnx.Module):\n    def __init__(self, rngs):\n        self.layers = [nnx.Linear(2, 2, "
        "rngs=rngs)]\nLayers(nnx.Rngs(0))",
        "keeps modules or arrays in a plain list, `self.layers`,",
        "Give each an attribute of its own",
    ),
    "an array kept on a module": (
        "class Keeps(nnx.Module):\n    def __call__(self, x):\n        self.weights = x + 1\n        return x\nm, "
        "step = Keeps(), nnx.jit(lambda m, x: m(x))\nstep(m, x)\nstep(m, x)",
        "keeps an array that a call computed in a plain attribute",
        "Return it, or do without",
    ),
    "a ref in einsum": (
        "def kernel(x_ref, o_ref):\n    o_ref[...] = jnp.einsum('ij,jk->ik', x_ref, "
        "x_ref[...])\ncall(kernel)(jnp.ones((8, 8)))",
        "uses a ref where an array is needed",
        "Read a ref with",
    ),
    "a ref in a product": (
        "def kernel(x_ref, o_ref):\n    o_ref[...] = x_ref @ x_ref[...]\ncall(kernel)(jnp.ones((8, 8)))",
        "uses a ref where an array is needed",
        "Read a ref with",
    ),
    "a ref in dot": (
        "def kernel(x_ref, o_ref):\n    o_ref[...] = jax.lax.dot(x_ref, x_ref[...])\ncall(kernel)(jnp.ones((8, 8)))",
        "uses a ref where an array is needed",
        "Read a ref with",
    ),
    "block spec": (
        "pl.pallas_call(copy, out_shape=x, grid=(2,), in_specs=[pl.BlockSpec(lambda i: (i, 0), (4, 8))], "
        "out_specs=whole(), interpret=True)(x)",
        "comes to a `BlockSpec` that has its index map first",
        "The order is `pl.BlockSpec(block_shape, index_map)`.",
    ),
    "index map's numbers": (
        "pl.pallas_call(copy, out_shape=x, grid=(2, 2), in_specs=[whole()], out_specs=whole(), interpret=True)(x)",
        "has an index map, or a kernel, that takes 1 and is given 2",
        "An index map takes one number for each axis of the grid",
    ),
    "index map's result": (
        "pl.pallas_call(copy, out_shape=x, grid=(2,), in_specs=[pl.BlockSpec((4, 8), lambda i: (i,))], "
        "out_specs=whole(), interpret=True)(x)",
        "has an index map that returns 1 instead of 2",
        "It returns one block index",
    ),
    "a kernel that returns": (
        "call(lambda x_ref, o_ref: x_ref[...])(jnp.ones((8, 8)))",
        "has a kernel that returns something",
        "A kernel returns nothing",
    ),
    "transpose": ("x[None].transpose(-2, -1)", "swaps two axes as PyTorch does", "JAX's `transpose` takes"),
    "transpose of a matrix": ("x @ y.transpose(-2, -1)", "swaps two axes as PyTorch does", "JAX's `transpose` takes"),
    "all axes turned": (
        "jnp.ones((2, 3, 8)) @ jnp.ones((2, 5, 8)).T",
        "multiplies by an array's `.T`, which turns all of its axes round",
        "The last two axes change places",
    ),
    "dim": ("jax.nn.softmax(x, dim=-1)", "passes `dim`, which is PyTorch's word", "In JAX it is `axis`."),
    "keepdim": ("x.sum(-1, keepdim=True)", "passes `keepdim`, which is PyTorch's word", "In JAX it is `keepdims`."),
    "masked_fill": (
        "x.masked_fill(x > 0, 1)",
        "calls `masked_fill`, which PyTorch's tensors have",
        "In JAX: `jnp.where",
    ),
    "permute": ("x.permute(1, 0)", "calls `permute`, which PyTorch's tensors have", "JAX's arrays have"),
    "view": ("x.view(2, -1)", "calls `view` with a shape", "In JAX it is `reshape`."),
    "size": ("x.size(-1)", "calls `size`, which is a number here", "Take an axis's length"),
}


@pytest.mark.parametrize("program, does, instead", PROGRAMS.values(), ids=PROGRAMS)
def test_what_jax_and_nnx_raise_is_told_as_what_the_line_does(program, does, instead):
    """The sentence begins with the student's line, and the advice is about what was written."""
    failure = raised(program)
    summary, advice = explain_failure(failure, "eager", {"causal": True})
    assert summary.startswith((f"line {failure.lines[-1][0]} {does}", f"the call {does}")) and advice.startswith(
        instead
    ), (summary, advice, failure)


def test_each_meaning_is_met():
    """No translation is there of which no program is known that needs it."""
    met = {
        told
        for program, *_ in PROGRAMS.values()
        for told in [explain_failure(raised(program), "eager", {"causal": True})[1]]
    }
    unmet = [
        meaning.does
        for meaning in MEANINGS
        if not any(advice.startswith(meaning.instead.split("{")[0]) for advice in met)
    ]
    assert unmet == []


def test_who_asks_a_value_is_not_told_of_arguments():
    """A value that is an array of the call is no argument that chooses between programs."""
    failure = raised("jax.jit(lambda x, q: 1 if q[0, 0] else 2)(x, x)")
    assert explain_failure(failure, "jit", {"causal": True})[0].endswith("but under `jit` its values are not known yet")


def test_what_a_colon_announces_is_told():
    """Of what an exception says the first line is told, and what that line announces too."""
    said = "lengths of the parts differ:\n  * one has 4;\n  * one has 6"
    summary, _ = explain_failure(Failure("ValueError", (), said, LINES), "eager")
    assert summary == "line 9 raises ValueError: lengths of the parts differ: one has 4; one has 6"


MEMORY = "The cases are small: look for an array whose shape is a product of values, or a list that grows without end."
SAID = [
    (Failure("ValueError", (), "not a multiple", LINES), "eager", "line 9 raises ValueError: not a multiple", ""),
    (Failure("ValueError", (), "first\nsecond", LINES), "eager", "line 9 raises ValueError: first", ""),
    (Failure("KeyError", (), "  ", LINES), "eager", "line 9 raises KeyError", ""),
    (Failure("ValueError", (), "inside a library", ()), "eager", "the call raises ValueError: inside a library", ""),
    (
        Failure("ImportError", (), "cannot import name 'x' from 'jax' (/usr/lib/jax/__init__.py)", LINES),
        "import",
        "line 9 raises ImportError: cannot import name 'x' from 'jax'",
        "",
    ),
    (
        Failure("ParameterMismatch"),
        "eager",
        "its parameters are not those of the contract, so the case's values cannot be loaded",
        "Mend the parameters first.",
    ),
    (
        Failure("SystemExit", (), "3", LINES),
        "import",
        "line 9 ends the program (`sys.exit()`, `exit()` or `quit()`)",
        "Leave a function with `return`.",
    ),
    (Failure("MemoryError", (), "", LINES), "eager", "line 9 asks for more memory than the grader gives", MEMORY),
    (
        Failure("XlaRuntimeError", ("RuntimeError",), "RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.", ()),
        "jit",
        "the call asks for more memory than the grader gives",
        MEMORY,
    ),
    (
        Failure("_ArrayMemoryError", ("MemoryError",), "Unable to allocate", LINES),
        "eager",
        "line 9 asks for more memory than the grader gives",
        MEMORY,
    ),
    (
        Failure("EOFError", (), "EOF when reading a line", LINES),
        "import",
        "line 9 reads standard input, which is empty here",
        "Take everything from the arguments; nobody can type while a verdict is made.",
    ),
    (
        Failure("RecursionError", ("RuntimeError",), "maximum recursion depth exceeded", LINES),
        "eager",
        "line 9 calls itself without end",
        "A function that calls itself needs a case in which it does not.",
    ),
    (
        Failure("ValueError", (), "Non-hashable static arguments are not supported", LINES),
        "eager",
        "line 9 passes a list, dict or array where something hashable is needed (a static argument, a dict key)",
        "Static arguments of `jax.jit` are numbers, strings, booleans or tuples of them.",
    ),
    (
        Failure("TypeError", (), "unhashable type: 'list'", LINES),
        "eager",
        "line 9 passes a list, dict or array where something hashable is needed (a static argument, a dict key)",
        "Static arguments of `jax.jit` are numbers, strings, booleans or tuples of them.",
    ),
    (
        Failure("TypeError", (), "grad requires real-valued outputs, but got int32.", ()),
        "grad",
        "the gradient cannot be taken: TypeError: grad requires real-valued outputs, but got int32.",
        "Keep the computation in floating point from the inputs to the output.",
    ),
    (
        Failure("TypeError", (), "sdpa() got an unexpected keyword argument 'q'", ()),
        "eager",
        "it cannot be called as the contract says: TypeError: sdpa() got an unexpected keyword argument 'q'",
        "Keep the names and the order of the arguments as the stub came with them.",
    ),
    (
        Failure("TypeError", (), "f() missing 1 required argument: 'x'", LINES),
        "eager",
        "line 9 raises TypeError: f() missing 1 required argument: 'x'",
        "",
    ),
    (
        Failure("ModuleNotFoundError", ("ImportError",), "No module named 'torch'", LINES),
        "import",
        "line 9 imports something that is not installed here: ModuleNotFoundError: No module named 'torch'",
        "A stub may import the standard library, numpy, jax, flax, optax, einops and jaxtyping.",
    ),
]


@pytest.mark.parametrize(
    "failure, kind, summary, advice", SAID, ids=[f"{failure.type}-{i}" for i, (failure, *_) in enumerate(SAID)]
)
def test_what_was_raised(failure, kind, summary, advice):
    """Each kind of error has its sentence about the student's line and, where there is one, its next step."""
    assert explain_failure(failure, kind) == (summary, advice)
