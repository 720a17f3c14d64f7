"""Every bad input gets a clear verdict, quickly, and nothing is lost: what a student reads is pinned here."""

from __future__ import annotations

import dataclasses
import io
import os
import re

import psutil
import pytest
from rich.console import Console

from grader.course.verdict import Status
from grader.judge.explain import REFUSED
from grader.judge.grade import grade, start_worker
from grader.process.child import Limits
from grader.report.terminal import show
from tests.conftest import PROBLEMS

pytestmark = pytest.mark.thorough

# Two lines come before every text below, so its first line is line 3.
TOP = """import jax, jax.numpy as jnp, numpy as np
def right(q, k, v): return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v
"""
SHORT = Limits(cpu=3, idle=6)
SMALL = Limits(memory=512 << 20, output=1 << 20)


@dataclasses.dataclass(frozen=True)
class Bad:
    """A text after TOP, and what is said of it: the first finding's check, summary, advice and the student's own
    lines."""

    what: str
    source: str
    check: str
    summary: str
    advice: str = ""
    lines: list = dataclasses.field(default_factory=list)
    limits: Limits = Limits()


@pytest.fixture(scope="module")
def ahead(sdpa):
    """Gives a worker that has started already, and starts the next: most of a short verdict is a worker's start."""
    waiting = [start_worker(sdpa)]

    def give():
        waiting.append(start_worker(sdpa))
        return waiting.pop(0)

    yield give
    waiting.pop().kill()


def first(verdict):
    return verdict.trouble or next(entry.first for entry in verdict.entries if entry.first)


def place(check) -> str:
    return f"{check.kind} · {check.case}" if check.case else check.kind


def normal(text: str) -> str:
    """The text without the numbers that vary by machine."""
    text = re.sub(r"by up to [\d.e+-]+ \(allowed: [\d.e+-]+\)", "by up to X (allowed: Y)", text)
    return re.sub(r"printed \d+ MB", "printed N MB", re.sub(r"after \d+ seconds", "after N seconds", text))


def rendered(verdict) -> str:
    console = Console(file=io.StringIO(), width=80)
    show(dataclasses.replace(verdict, path="stub.py"), console)
    return normal(console.file.getvalue())


def holds(bad: Bad, verdict) -> None:
    finding = first(verdict)
    told = place(finding.check), normal(finding.summary), finding.advice, list(finding.lines)
    assert told == (bad.check, bad.summary, bad.advice, bad.lines)
    assert verdict.status == finding.status == Status.FAILED
    assert verdict.exit_code == 1
    assert verdict.entries[0].mistake == ""
    rendered(verdict).encode()  # every verdict can be shown


def by_name(table):
    return pytest.mark.parametrize("bad", table, ids=[bad.what for bad in table])


# What is said of a file

BAD = [
    Bad(
        "a misspelled name",
        r"""
def spda(q, k, v): return right(q, k, v)
""",
        "name",
        "the file defines no `sdpa`",
        "The contract's name is `sdpa`, spelled exactly so.",
    ),
    Bad(
        "a name that is no function",
        r"""
sdpa = 3
""",
        "name",
        "`sdpa` is of type int and cannot be called",
        "Is `sdpa` assigned again further down?",
    ),
    Bad(
        "a signature with too few arguments",
        r"""
def sdpa(q, k): return q
""",
        "name",
        "`sdpa` takes (q, k); expected (q, k, v)",
        "Arguments keep their names and their order: a case may pass them either way.",
    ),
    Bad(
        "renamed arguments",
        r"""
def sdpa(query, key, value): return right(query, key, value)
""",
        "name",
        "`sdpa` takes (query, key, value); expected (q, k, v)",
        "Arguments keep their names and their order: a case may pass them either way.",
    ),
    Bad(
        "swapped arguments",
        r"""
def sdpa(q, v, k): return right(q, k, v)
""",
        "name",
        "`sdpa` takes (q, v, k); expected (q, k, v)",
        "Arguments keep their names and their order: a case may pass them either way.",
    ),
    Bad(
        "one more argument without a default",
        r"""
def sdpa(q, k, v, scale): return right(q, k, v)
""",
        "name",
        "`sdpa` takes (q, k, v, scale); expected (q, k, v)",
        "Arguments keep their names and their order: a case may pass them either way.",
    ),
    Bad(
        "an import of what is not installed",
        r"""
import torch_that_nobody_has
def sdpa(q, k, v): return right(q, k, v)
""",
        "import",
        "the file cannot be imported: line 3 imports something that is not installed here: ModuleNotFoundError: No "
        "module named 'torch_that_nobody_has'",
        "A stub may import the standard library, numpy, jax, flax, optax, einops and jaxtyping.",
        [(3, "<module>", "import torch_that_nobody_has")],
    ),
    Bad(
        "an import of a name that is not there",
        r"""
from jax.nn import softermax
""",
        "import",
        "the file cannot be imported: line 3 raises ImportError: cannot import name 'softermax' from 'jax.nn'",
        "",
        [(3, "<module>", "from jax.nn import softermax")],
    ),
    Bad(
        "sys.exit at import",
        r"""
import sys
sys.exit(0)
""",
        "import",
        "the file cannot be imported: line 4 ends the program (`sys.exit()`, `exit()` or `quit()`)",
        "Leave a function with `return`.",
        [(4, "<module>", "sys.exit(0)")],
    ),
    Bad(
        "os._exit at import",
        r"""
import os
os._exit(0)
""",
        "import",
        "while the file was imported, it ended the Python process (exit code 0)",
        "Leave a function with `return`, not with `os._exit()`.",
    ),
    Bad(
        "a loop without end at import",
        r"""
while True: pass
""",
        "import",
        "while the file was imported, line 3 was still running after N seconds of computing without a result, and was "
        "stopped",
        "Look for a loop whose condition never becomes false, or for something that waits.",
        [(3, "", "while True: pass")],
        limits=SHORT,
    ),
    Bad(
        "no return",
        r"""
def sdpa(q, k, v): right(q, k, v)
""",
        "eager · one key",
        "it returns None",
        "Is a `return` missing at the end?",
    ),
    Bad(
        "a tuple",
        r"""
def sdpa(q, k, v): return right(q, k, v), 1
""",
        "eager · one key",
        "it returns a tuple of 2; expected one array",
        "Return the output alone.",
    ),
    Bad(
        "a list",
        r"""
def sdpa(q, k, v): return [right(q, k, v)]
""",
        "eager · one key",
        "it returns a list of 1; expected one array",
        "Return one array: `jnp.array` makes one of nested lists, `jnp.stack` of arrays. What is not the output is "
        "not returned.",
    ),
    Bad(
        "a NumPy array",
        r"""
def sdpa(q, k, v): return np.asarray(right(q, k, v))
""",
        "eager · one key",
        "it returns a NumPy array; expected a jax.Array",
        "Compute with `jax.numpy`, so that `jit` and `grad` can follow.",
    ),
    Bad(
        "a Python float",
        r"""
def sdpa(q, k, v): return float(right(q, k, v).sum())
""",
        "eager · one key",
        "it returns a Python float; expected a jax.Array",
        "A sum or `float(...)` too many? Keep the arrays.",
    ),
    Bad(
        "a wrong shape",
        r"""
def sdpa(q, k, v): return right(q, k, v).T
""",
        "eager · one key",
        "the output has shape (4, 1); expected (1, 4), that is `T_q d_v`",
        "",
    ),
    Bad(
        "a wrong dtype",
        r"""
def sdpa(q, k, v): return right(q, k, v).astype(jnp.bfloat16)
""",
        "eager · one key",
        "the output has dtype bfloat16; expected float32",
        "The output has the input's dtype.",
    ),
    Bad(
        "NaN everywhere",
        r"""
def sdpa(q, k, v): return right(q, k, v) * jnp.nan
""",
        "eager · one key",
        "4 of 4 values of the output are NaN",
        "",
    ),
    Bad(
        "one NaN",
        r"""
def sdpa(q, k, v): return right(q, k, v).at[0, 1].set(jnp.nan)
""",
        "eager · one key",
        "1 of 4 values of the output is NaN",
        "",
    ),
    Bad(
        "an array that was deleted",
        r"""
def sdpa(q, k, v):
    out = right(q, k, v)
    out.delete()
    return out
""",
        "eager · one key",
        "the call raises RuntimeError: Array has been deleted with shape=float32[1,4].",
        "",
    ),
    Bad(
        "an array of a gigabyte",
        r"""
def sdpa(q, k, v): return jnp.zeros((1 << 14, 1 << 13))
""",
        "eager · one key",
        "the call asks for more memory than the grader gives",
        "The cases are small: look for an array whose shape is a product of values, or a list that grows without end.",
    ),
    Bad(
        "a list that contains itself",
        r"""
def sdpa(q, k, v):
    out = []
    out.append(out)
    return out
""",
        "eager · one key",
        "the call calls itself without end",
        "A function that calls itself needs a case in which it does not.",
    ),
    Bad(
        "a tracer kept in a global",
        r"""
kept = []
def sdpa(q, k, v):
    kept.append(q @ k.T)
    return right(q, k, v)
""",
        "leaks · dozens of keys",
        "an intermediate value outlives the call: the file keeps a tracer in a global, a list or an attribute",
        "Keep nothing between calls. To look at a value, use `jax.debug.print`, or return it.",
    ),
    Bad(
        "a tracer of an earlier call returned",
        r"""
kept = {}
def sdpa(q, k, v): return kept.setdefault(k.shape, right(q, k, v))
""",
        "eager · one query",
        "it returns a tracer, an intermediate value of an earlier traced call that was kept outside the function",
        "Keep nothing between calls: no globals, no lists to append to.",
    ),
    Bad(
        "a tracer of an earlier call used",
        r"""
kept = []
def sdpa(q, k, v):
    kept.append(q.sum())
    return right(q, k, v) + 0 * sum(kept)
""",
        "eager · one query",
        "line 6 uses an intermediate value of an earlier call that was kept outside the function",
        "Keep nothing between calls: no globals, no lists to append to, no attributes set in `__call__`.",
        [(6, "sdpa", "return right(q, k, v) + 0 * sum(kept)")],
    ),
    Bad(
        "an error in a helper",
        r"""
def helper(x):
    raise KeyError('nope')
def sdpa(q, k, v):
    return jax.vmap(helper)(q)
""",
        "eager · one key",
        "line 4 raises KeyError: 'nope'",
        REFUSED,
        [(6, "sdpa", "return jax.vmap(helper)(q)"), (4, "helper", "raise KeyError('nope')")],
    ),
    Bad(
        "shapes that do not fit",
        r"""
def sdpa(q, k, v):
    return q @ k @ v
""",
        "eager · one key",
        "line 4 raises TypeError: dot_general requires contracting dimensions to have the same shape, got (8,) and "
        "(1,).",
        "",
        [(4, "sdpa", "return q @ k @ v")],
    ),
    Bad(
        "an assertion",
        r"""
def sdpa(q, k, v):
    assert q.shape == k.shape, 'lengths differ'
    return right(q, k, v)
""",
        "eager · one query",
        "line 4 raises AssertionError: lengths differ",
        "",
        [(4, "sdpa", "assert q.shape == k.shape, 'lengths differ'")],
    ),
    Bad(
        "a branch on values",
        r"""
def sdpa(q, k, v):
    if (q > 100).any(): q = q / 2
    return right(q, k, v)
""",
        "jit · one key",
        "line 4 asks whether an array is true (`if`, `while`, `and`, `not`, `assert`), but under `jit` its values are "
        "not known yet",
        "Choose between arrays with `jnp.where`, between computations with `jax.lax.cond`. Shapes are ordinary "
        "numbers and may be asked.",
        [(4, "sdpa", "if (q > 100).any(): q = q / 2")],
    ),
    Bad(
        "a float of an array",
        r"""
def sdpa(q, k, v):
    s = float(jnp.abs(q).max())
    return right(q / s, k * s, v)
""",
        "jit · one key",
        "line 4 needs the number inside an array (`int`, `float`, `.item()`, `.tolist()`, a shape), "
        "but under `jit` its values are not known yet",
        "Take sizes from `x.shape`, and keep values in arrays: `jnp.sqrt(n)` rather than `math.sqrt(float(array))`.",
        [(4, "sdpa", "s = float(jnp.abs(q).max())")],
    ),
    Bad(
        "NumPy on arrays",
        r"""
def sdpa(q, k, v):
    scores = np.array(q) @ np.array(k).T
    return jax.nn.softmax(jnp.asarray(scores) / q.shape[-1] ** 0.5) @ v
""",
        "jit · one key",
        "line 4 hands an array to NumPy (`np.…`), but under `jit`, `vmap` and `grad` its values are not known yet",
        "Use the same function from `jax.numpy`: `jnp.…`.",
        [(4, "sdpa", "scores = np.array(q) @ np.array(k).T")],
    ),
    Bad(
        "a range over a value",
        r"""
def sdpa(q, k, v):
    return right(q, k, v) + sum(0 for _ in range(jnp.argmax(q)))
""",
        "jit · one key",
        "line 4 uses an array's value where Python needs an integer (an index, `range`, a size), "
        "but under `jit` its values are not known yet",
        "Take sizes from `x.shape`; index with `jnp.take` or `jax.lax.dynamic_slice`.",
        [(4, "sdpa", "return right(q, k, v) + sum(0 for _ in range(jnp.argmax(q)))")],
    ),
    Bad(
        "a boolean mask",
        r"""
def sdpa(q, k, v):
    return right(q, k, v) + 0 * q[q > 0].sum()
""",
        "jit · one key",
        "line 4 picks elements with a boolean mask, which makes a shape that depends on values",
        "Keep the shape and choose with `jnp.where(mask, x, other)`.",
        [(4, "sdpa", "return right(q, k, v) + 0 * q[q > 0].sum()")],
    ),
    Bad(
        "an unhashable static argument",
        r"""
import functools
@functools.partial(jax.jit, static_argnums=3)
def attend(q, k, v, options): return right(q, k, v)
def sdpa(q, k, v):
    return attend(q, k, v, ['scale'])
""",
        "eager · one key",
        "line 7 passes a list, dict or array where something hashable is needed (a static argument, a dict key)",
        "Static arguments of `jax.jit` are numbers, strings, booleans or tuples of them.",
        [(7, "sdpa", "return attend(q, k, v, ['scale'])")],
    ),
    Bad(
        "a call that goes on without end",
        r"""
def sdpa(q, k, v): return sdpa(q, k, v)
""",
        "eager · one key",
        "line 3 calls itself without end",
        "A function that calls itself needs a case in which it does not.",
        [(3, "sdpa", "def sdpa(q, k, v): return sdpa(q, k, v)")] * 20,
    ),
    Bad(
        "a loop without end in Python",
        r"""
def sdpa(q, k, v):
    while True: pass
""",
        "eager · one key",
        "line 4 was still running after N seconds of computing without a result, and was stopped",
        "Look for a loop whose condition never becomes false, or for something that waits.",
        [(4, "", "while True: pass")],
        limits=SHORT,
    ),
    Bad(
        "a loop without end inside XLA",
        r"""
def sdpa(q, k, v):
    n = jax.lax.while_loop(lambda n: n != 10, lambda n: (n * 5 + 1) % 101, jnp.int32(3))
    return right(q, k, v) + 0 * n
""",
        "eager · one key",
        "line 4 was still running after N seconds of computing without a result, and was stopped",
        "Look for a loop whose condition never becomes false, or for something that waits.",
        [(4, "", "n = jax.lax.while_loop(lambda n: n != 10, lambda n: (n * 5 + 1) % 101, jnp.int32(3))")],
        limits=SHORT,
    ),
    Bad(
        "a sleep without end",
        r"""
import time
def sdpa(q, k, v):
    time.sleep(1000)
""",
        "eager · one key",
        "line 5 was still running after N seconds of waiting without a result, and was stopped",
        "Look for a loop whose condition never becomes false, or for something that waits.",
        [(5, "", "time.sleep(1000)")],
        limits=SHORT,
    ),
    Bad(
        "sys.exit in a call",
        r"""
import sys
def sdpa(q, k, v):
    sys.exit(0)
""",
        "eager · one key",
        "line 5 ends the program (`sys.exit()`, `exit()` or `quit()`)",
        "Leave a function with `return`.",
        [(5, "sdpa", "sys.exit(0)")],
    ),
    Bad(
        "os._exit in a call",
        r"""
import os
def sdpa(q, k, v):
    os._exit(0)
""",
        "eager · one key",
        "it ended the Python process (exit code 0)",
        "Leave a function with `return`, not with `os._exit()`.",
    ),
    Bad(
        "a segmentation fault",
        r"""
import ctypes
def sdpa(q, k, v):
    return ctypes.string_at(0)
""",
        "eager · one key",
        "line 5 crashed the Python process (SIGSEGV)",
        "Only native code crashes like this: look at calls through ctypes, or at buffers that were freed.",
        [(5, "", "return ctypes.string_at(0)")],
    ),
    Bad(
        "a memory bomb in Python",
        r"""
def sdpa(q, k, v):
    kept = []
    while True: kept.append(bytearray(10 ** 8))
""",
        "eager · one key",
        "line 5 asks for more memory than the grader gives",
        "The cases are small: look for an array whose shape is a product of values, or a list that grows without end.",
        [(5, "sdpa", "while True: kept.append(bytearray(10 ** 8))")],
        limits=SMALL,
    ),
    Bad(
        "a memory bomb in JAX",
        r"""
def sdpa(q, k, v):
    return right(q, k, v) + 0 * jnp.ones((10 ** 6, 10 ** 5)).sum()
""",
        "eager · one key",
        "line 4 asks for more memory than the grader gives",
        "The cases are small: look for an array whose shape is a product of values, or a list that grows without end.",
        [(4, "sdpa", "return right(q, k, v) + 0 * jnp.ones((10 ** 6, 10 ** 5)).sum()")],
    ),
    Bad(
        "a flood of prints",
        r"""
def sdpa(q, k, v):
    while True: print('x' * 1000)
""",
        "eager · one key",
        "it printed N MB and went on, and was stopped",
        "Look for a `print` in a loop that does not end.",
        limits=SMALL,
    ),
    Bad(
        "standard input",
        r"""
def sdpa(q, k, v):
    return right(q, k, v) * float(input('scale? '))
""",
        "eager · one key",
        "line 4 reads standard input, which is empty here",
        "Take everything from the arguments; nobody can type while a verdict is made.",
        [(4, "sdpa", "return right(q, k, v) * float(input('scale? '))")],
    ),
    Bad(
        "an error message of a megabyte",
        r"""
def sdpa(q, k, v):
    raise ValueError('x' * 10 ** 6)
""",
        "eager · one key",
        "line 4 raises ValueError: " + 400 * "x" + " …",
        REFUSED,
        [(4, "sdpa", "raise ValueError('x' * 10 ** 6)")],
    ),
    Bad(
        "an error message that no terminal can show",
        r"""
def sdpa(q, k, v):
    raise ValueError('\ud800 \x1b[2J\x1b[32mall passed\x07 [bold]')
""",
        "eager · one key",
        "line 4 raises ValueError: ? all passed [bold]",
        REFUSED,
        [(4, "sdpa", "raise ValueError('\\ud800 \\x1b[2J\\x1b[32mall passed\\x07 [bold]')")],
    ),
    Bad(
        "an exception whose text cannot be had",
        r"""
class Odd(Exception):
    def __str__(self): raise KeyError
def sdpa(q, k, v):
    raise Odd
""",
        "eager · one key",
        "line 6 raises Odd: (its message could not be read)",
        REFUSED,
        [(6, "sdpa", "raise Odd")],
    ),
    Bad(
        "an interrupt",
        r"""
def sdpa(q, k, v):
    raise KeyboardInterrupt
""",
        "eager · one key",
        "line 4 raises KeyboardInterrupt",
        REFUSED,
        [(4, "sdpa", "raise KeyboardInterrupt")],
    ),
    Bad(
        "a generator",
        r"""
def sdpa(q, k, v):
    yield right(q, k, v)
""",
        "eager · one key",
        "it returns a generator object; expected an array",
        "",
    ),
    Bad(
        "a coroutine",
        r"""
async def sdpa(q, k, v):
    return right(q, k, v)
""",
        "eager · one key",
        "it returns a coroutine object; expected an array",
        "",
    ),
    Bad(
        "a module that has every name",
        r"""
def __getattr__(name): raise RuntimeError(name)
""",
        "name",
        "the file defines no `sdpa`",
        "The contract's name is `sdpa`, spelled exactly so.",
    ),
    Bad(
        "files closed under the grader",
        r"""
import os
def sdpa(q, k, v):
    os.closerange(3, 100)
    return right(q, k, v)
""",
        "eager · one key",
        "it ended the Python process (exit code 1)",
        "Leave a function with `return`, not with `os._exit()`.",
    ),
]

CHEATS = [
    Bad(
        "an object with __array__",
        r"""
class Liar:
    def __init__(self, value): self.value = value
    def __array__(self, *args, **options): return np.asarray(self.value)
    def __eq__(self, other): return True
def sdpa(q, k, v): return Liar(right(q, k, v))
""",
        "eager · one key",
        "it returns a stub.Liar object; expected an array",
        "",
    ),
    Bad(
        "an object that says it is an array",
        r"""
class Liar:
    __class__ = jax.Array
    def __init__(self, value): self.value = value
    def __getattr__(self, name): return getattr(self.value, name)
    def __array__(self, *args, **options): return np.asarray(self.value)
def sdpa(q, k, v): return Liar(right(q, k, v))
""",
        "eager · one key",
        "it returns a stub.Liar object; expected an array",
        "",
    ),
    Bad(
        "a subclass of float",
        r"""
class Liar(float): pass
def sdpa(q, k, v): return Liar(right(q, k, v).sum())
""",
        "eager · one key",
        "it returns a Python Liar; expected a jax.Array",
        "A sum or `float(...)` too many? Keep the arrays.",
    ),
    Bad(
        "comparisons patched",
        r"""
import numpy.testing
import grader.key.compare
np.testing.assert_allclose = np.testing.assert_array_equal = lambda *args, **options: None
np.allclose = np.array_equal = jnp.allclose = lambda *args, **options: True
grader.key.compare.compare = grader.key.compare.differ = lambda *args: None
def sdpa(q, k, v): return 2 * right(q, k, v)
""",
        "eager · one key",
        "4 of 4 values of the output differ, by up to X (allowed: Y)",
        "",
    ),
    Bad(
        "right for the first calls only",
        r"""
calls = 0
def sdpa(q, k, v):
    global calls
    calls += 1
    return right(q, k, v) * (1 if calls <= 6 else 2)
""",
        "eager · one query",
        "4 of 4 values of the output differ, by up to X (allowed: Y)",
        "",
    ),
    Bad(
        "a search for tracers that is switched off",
        r"""
import gc
gc.get_objects = lambda *args: []
kept = []
def sdpa(q, k, v):
    kept.append(q @ k.T)
    return right(q, k, v)
""",
        "leaks · dozens of keys",
        "an intermediate value outlives the call: the file keeps a tracer in a global, a list or an attribute",
        "Keep nothing between calls. To look at a value, use `jax.debug.print`, or return it.",
    ),
]


@by_name(BAD)
def test_a_bad_attempt_is_told_what_is_wrong(bad, attempt, ahead):
    """Each bad attempt fails at the check, with the sentence, the advice and the lines that its row says."""
    worker = ahead() if bad.limits == Limits() else None
    holds(bad, attempt(TOP + bad.source.lstrip("\n"), limits=bad.limits, worker=worker))


@by_name(CHEATS)
def test_a_wrong_answer_that_says_it_is_right_fails(bad, attempt, ahead):
    """An answer is judged by its arrays, whatever it says of itself and whatever it patches."""
    holds(bad, attempt(TOP + bad.source.lstrip("\n"), worker=ahead()))


FILES = [
    Bad(
        "an empty file", "", "name", "the file defines no `sdpa`", "The contract's name is `sdpa`, spelled exactly so."
    ),
    Bad(
        "a syntax error",
        "import jax\ndef sdpa(q, k, v)\n    return q\n",
        "import",
        "line 2 is not Python: expected ':'",
        "Python cannot read the file past this line; nothing was run.",
        [(2, "", "def sdpa(q, k, v)")],
    ),
    Bad(
        "an encoding that is not declared",
        "# été\n".encode("latin-1"),
        "import",
        "stub.py is not text in UTF-8, and its first lines name no other encoding",
        "Save it as UTF-8, or write `# -*- coding: latin-1 -*-` (or what it is) into its first line.",
    ),
    Bad(
        "an encoding that nobody knows",
        "# -*- coding: klingon -*-\n",
        "import",
        "stub.py is not text in UTF-8, and its first lines name no other encoding",
        "Save it as UTF-8, or write `# -*- coding: latin-1 -*-` (or what it is) into its first line.",
    ),
    Bad(
        "a merge that was left",
        "import jax\n<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n",
        "import",
        "line 2 is the mark of a merge conflict",
        "Git left both versions in the file. Keep one, and delete the lines that begin with `<<<<<<<`, `=======` and "
        "`>>>>>>>`.",
        [(2, "", "<<<<<<< HEAD")],
    ),
    Bad(
        "brackets in brackets without end",
        "x = " + "(" * 5000 + ")" * 5000,
        "import",
        "line 1 is not Python: too many nested parentheses",
        "Python cannot read the file past this line; nothing was run.",
        [(1, "", "x = " + "(" * 5000 + ")" * 5000)],
    ),
]


@by_name(FILES)
def test_a_file_that_python_cannot_run_is_told_why(bad, attempt, tmp_path):
    """What cannot be run is told without its line being guessed, and nothing of it is run."""
    verdict = attempt(bad.source)
    finding = dataclasses.replace(
        first(verdict), summary=first(verdict).summary.replace(str(tmp_path / "stub.py"), "stub.py")
    )
    holds(bad, dataclasses.replace(verdict, trouble=finding) if verdict.trouble else verdict)


def test_nul_bytes_are_no_python(attempt):
    """A file with NUL bytes is told as no Python, whichever words this Python has for it."""
    verdict = attempt(b"x = 1\0\n")
    assert (verdict.status, place(verdict.trouble.check)) == (Status.FAILED, "import")
    summary = re.sub(r"^line \d+ is", "it is", verdict.trouble.summary.replace(verdict.path, "it"))
    assert summary == "it is not Python: source code string cannot contain null bytes"


def test_a_file_that_is_not_there_is_told_by_its_path(sdpa, tmp_path):
    """A wrong --file is told with the path that was given, and what to check."""
    verdict = grade(sdpa, tmp_path / "nowhere.py")
    assert (verdict.status, verdict.trouble.check.kind) == (Status.FAILED, "import")
    assert verdict.trouble.summary == f"there is no file {tmp_path / 'nowhere.py'}"
    assert verdict.trouble.advice == "Check the path after --file."


def test_a_missing_stub_is_put_back_by_reset(course):
    """When the problem's own stub is gone, the advice is the command that puts it back."""
    from grader.course.problem import discover

    problem = next(problem for problem in discover(course) if problem.number == 31)
    problem.stub.unlink()
    verdict = grade(problem)
    assert (verdict.status, verdict.trouble.summary, verdict.trouble.advice) == (
        Status.FAILED,
        "there is no file problems/31_sdpa/stub.py",
        "`python -m grader reset 31` puts the stub back.",
    )


@pytest.mark.parametrize(
    "change",
    [lambda text: text, lambda text: text.replace(b"\n", b"\r\n"), lambda text: text + b"\n\n  \n"],
    ids=["as it is", "with other line ends", "with blank lines"],
)
def test_an_untouched_stub_is_not_written_rather_than_wrong(attempt, sdpa, change):
    """The stub as it came, in any editor's line ends, is told as not written without being run."""
    verdict = attempt(change(sdpa.pristine.read_bytes()))
    assert (verdict.status, verdict.exit_code) == (Status.NOT_WRITTEN, 1)
    assert verdict.trouble.summary == "the stub is as it came: nothing is written yet"


def test_a_stub_that_still_raises_not_implemented_is_not_written(attempt):
    """NotImplementedError on the way means: not written yet, with the line that says so."""
    verdict = attempt(TOP + "def sdpa(q, k, v):\n    raise NotImplementedError('soon')\n")
    finding = first(verdict)
    assert (verdict.status, place(finding.check)) == (Status.NOT_WRITTEN, "eager · one key")
    assert finding.summary == "line 4 raises NotImplementedError: not written yet"
    assert list(finding.lines) == [(4, "sdpa", "raise NotImplementedError('soon')")]


def test_what_jax_has_not_implemented_is_no_unwritten_stub(attempt):
    """A NotImplementedError that JAX raises is an error of the line that asked for it."""
    finding = first(attempt(TOP + "def sdpa(q, k, v):\n    return q.view(-1, 2)\n", mistakes=False))
    assert (finding.status, finding.summary) == (Status.FAILED, "line 4 calls `view` with a shape, as PyTorch does")


# What is right, however odd, passes

RIGHT = {
    "any arguments": "def sdpa(*args, **options): return right(*args, **options)",
    "one more argument with a default": "def sdpa(q, k, v, *, precision=None): return right(q, k, v)",
    "a jitted function": "sdpa = jax.jit(right)",
    "an object whose call is static": """
class Attention:
    __call__ = staticmethod(jax.jit(right))
sdpa = Attention()""",
    "an object with a signature that raises": """
class Odd:
    @property
    def __signature__(self): raise RuntimeError
    def __call__(self, q, k, v): return right(q, k, v)
sdpa = Odd()""",
    "settings of its own": """
for name, value in dict(jax_enable_x64=True, jax_disable_jit=True, jax_debug_nans=True, jax_numpy_rank_promotion="raise").items():
    jax.config.update(name, value)
np.seterr(all="raise")
import os, warnings
warnings.simplefilter("error")
os.chdir("/")
os.environ.clear()
sdpa = right""",  # noqa: E501
    "functions of its own in the place of the library's": """
def softmax(x, axis=-1):
    e = jnp.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)
jax.nn.softmax = softmax
asarray = jnp.asarray
jnp.asarray = lambda *args, **options: asarray(*args, **options)
sdpa = right""",
    "modules of the grader taken away": """
import sys
for name in list(sys.modules):
    if name.startswith("grader"): sys.modules[name] = None
sdpa = right""",
    "streams of its own": "import sys\nsys.stdout, sys.stderr = None, 3\nsdpa = right",
    "a thread that never ends": """
import threading
def spin():
    while True: pass
threading.Thread(target=spin).start()
sdpa = right""",
    "a child that left the group and keeps the pipes": """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(4)
    os._exit(0)
sdpa = right""",
}


@pytest.mark.parametrize("source", RIGHT.values(), ids=RIGHT)
def test_what_computes_the_right_thing_passes(source, attempt, ahead):
    """A right answer passes, whatever else the file does to its own process."""
    verdict = attempt(TOP + source, worker=ahead())
    assert (verdict.status, [entry.first for entry in verdict.entries]) == (Status.PASSED, [None])


def test_a_declared_encoding_is_read(attempt):
    """A file in another encoding that says so is read in it."""
    verdict = attempt(
        b"# -*- coding: latin-1 -*-\n# \xe9t\xe9\n" + TOP.encode() + b"print('\xe9t\xe9')\nsdpa = right\n"
    )
    assert (verdict.status, verdict.prints) == (Status.PASSED, (("import", "été"),))


# What is written into the channel of the outcomes

FORGER = (
    TOP
    + """
import json, os, stat, struct
from grader.process import wire

def frame(text, body=b""): return struct.pack("<QQ", len(text), len(body)) + text + body
def array(shape): return frame(json.dumps([{"outcome": 1, "structure": "array"}, [["", "float32", shape]]]).encode())
def deep(levels): return ["list", [deep(levels - 1)]] if levels else "None"
def write(data):
    for number in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode): os.write(number, data)
        except OSError:
            pass

def sdpa(q, k, v):
    %s
    return right(q, k, v)
"""
)
FORGED = {
    "garbage": "write(b'garbage' * 100)",
    "three bytes": "write(b'abc')",
    "the beginning of a frame": "write(struct.pack('<QQ', 1000, 10 ** 8))",
    "no JSON": "write(frame(b'\\xff'))",
    "JSON without end": "write(frame(b'[' * 50000))",
    "no object": "write(wire.pack([1, 2]))",
    "an array with more values than it has bytes": "write(array([10 ** 30]))",
    "a dict whose names are numbers": "write(wire.pack({'outcome': 1, 'structure': ['dict', [[5, 'None']]]}))",
    "an object in the place of a list": "write(wire.pack({'outcome': 1, 'structure': {'tuple': 1, '': 2}}))",
    "containers in each other without end": "write(wire.pack({'outcome': 1, 'structure': deep(101)}))",
    "an array that is nowhere in the "
    "structure": "write(wire.pack({'outcome': 1, 'structure': 'array'}, {'': np.zeros(3), 'a': np.zeros(1)}))",
    "facts where no claim is made": "write(wire.pack({'outcome': 1, 'structure': ['facts', {'unproved': 'it is not my "
    "fault'}]}))",
    "an outcome of a call that nobody made": "write(wire.pack({'outcome': 9999, 'structure': 'None'}))",
    "an unknown message": "write(wire.pack({'hello': True}))",
    "an outcome without a structure": "write(wire.pack({'outcome': 1}))",
    "an outcome that does not fit its "
    "arrays": "write(wire.pack({'outcome': 1, 'structure': ['tuple', ['array']]}, {'': np.zeros(3)}))",
    "the outcome of no call": "write(wire.pack({'outcome': float('inf'), 'structure': 'None'}))",
    "an outcome for the grader's own": "write(wire.pack({'outcome': 0, 'structure': 'array'}, {'': np.zeros((1, 4), "
    "np.float32)}))",
    "a stage that is none": "write(wire.pack({'started': []}))",
    "names that are not there": "write(wire.pack({'found': {}}))",
    "a signature that makes no sense": "write(wire.pack({'found': {'sdpa': {'callable': 0, 'parameters': [1]}}}))",
    "an import that failed later": "write(wire.pack({'import failed': {'structure': 'None'}}))",
    "the end, too early": "write(wire.pack({'done': True}))",
    "signs of life without end": "while True: write(wire.pack({'started': ['eager', [0]]}))",
}


@pytest.mark.parametrize("line", FORGED.values(), ids=FORGED)
def test_a_forged_message_is_never_an_outcome(line, attempt, ahead):
    """What a stub writes into the grader's own channel neither passes nor harms the grader, and is told as what it
    is."""
    verdict = attempt(FORGER % line, worker=ahead())
    assert (verdict.status, verdict.trouble.check.kind) == (Status.FAILED, "import")
    assert (
        verdict.trouble.summary
        == "while it was called, it wrote something of its own into the channel that carries the outcomes"
    )
    assert verdict.trouble.advice == "Leave file descriptors alone; to show a value, use `print`."


def test_a_dict_whose_names_run_together_is_no_forgery(attempt):
    """Two arrays that come to be called alike are told as the dict that they are in."""
    verdict = attempt(TOP + "def sdpa(q, k, v): return {'a': {'b': right(q, k, v)}, 'a.b': right(q, k, v)}\n")
    assert verdict.trouble is None and first(verdict).summary == "it returns a dict with a, a.b; expected one array"


def test_results_without_end_are_told_as_such(attempt):
    """What may come back is bounded in all, however small each array is; that is no forgery."""
    verdict = attempt(TOP + "def sdpa(q, k, v): return jnp.zeros((1 << 19,))\n", limits=Limits(sent=1 << 20))
    assert first(verdict).summary == "it gave back more than 1 MB in all"


def test_an_exception_is_told_in_the_length_of_a_line(attempt):
    """The name of an exception can be as long as its author likes."""
    verdict = attempt(TOP + "def sdpa(q, k, v): raise type('A' * 100_000, (Exception,), {})('x')\n")
    assert first(verdict).summary == f"line 3 raises {'A' * 200}: x"


def test_an_exception_called_like_the_graders_own(attempt):
    """A name proves nothing, and breaks nothing."""
    verdict = attempt(
        TOP + "class ParameterMismatch(Exception): pass\ndef sdpa(q, k, v): raise ParameterMismatch('x')\n"
    )
    assert verdict.status == Status.FAILED


def test_a_property_whose_outputs_differ_in_shape(attempt):
    """A stub that gives another shape where the inputs are unusual fails that property, and the grader judges on."""
    source = (
        (PROBLEMS[34].solutions / "reference.py").read_text()
        + """
import jax
careful = bidirectional_attention
def bidirectional_attention(q, k, v, num_heads, mask=None):
    out = careful(q, k, v, num_heads, mask)
    return jnp.stack([out, out]) if not isinstance(v, jax.core.Tracer) and abs(v).max() > 1e37 else out
"""
    )
    verdict = attempt(source, 34, mistakes=False)
    assert (
        verdict.status == Status.FAILED
        and first(verdict).summary == "the outputs of this property do not have the expected shape"
    )


def test_a_worker_does_not_outlive_its_verdict(attempt, sdpa):
    """Whatever a stub does, its process and its folder are gone when the verdict is there."""
    worker = start_worker(sdpa)
    source = "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])\nprint(child.pid)\nsdpa = right\n"
    verdict = attempt(TOP + source, worker=worker)
    assert worker.process.poll() is not None
    assert not os.path.exists(worker.process.scratch.name)
    child = int(verdict.prints[0][1])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


# Prints


def test_prints_are_shown_with_the_call_they_belong_to(attempt):
    """What is printed is kept, once for each text, under the call in which it was printed."""
    verdict = attempt(
        TOP + "print('hello')\ndef sdpa(q, k, v):\n    print('keys:', len(k))\n    return 2 * right(q, k, v)\n"
    )
    assert verdict.prints[:2] == (("import", "hello"), ("eager · one key", "keys: 1"))
    assert [(where.split(" · ")[-1], text) for where, text in verdict.prints[2:]] == [
        ("one query", "keys: 5"),
        ("unequal lengths", "keys: 3"),
        ("dozens of keys", "keys: 25"),
    ]


def test_prints_that_command_a_terminal_are_shown_as_text(attempt):
    """Escape sequences, bells, broken bytes and forged marks of the grader reach no terminal."""
    verdict = attempt(
        TOP
        + r"""
import sys
print('\x1b[2J\x1b[32m31 passed\x1b[0m\x07')
print('\x1e' + '9' * 5000 + '\x1e')
sys.stdout.buffer.write(b'\xff\n')
sdpa = right
"""
    )
    assert verdict.status == Status.PASSED
    assert verdict.prints == (("import", "31 passed\n" + "9" * 5000 + "\n\N{REPLACEMENT CHARACTER}"),)


# Several names

MASKED = """
import jax, jax.numpy as jnp
def causal_mask(t_q, t_k):
    {mask}
    return jnp.tril(jnp.ones((t_q, t_k), bool), t_k - t_q)
def causal_sdpa(q, k, v):
    {sdpa}
    seen = jnp.tril(jnp.ones((len(q), len(k)), bool), len(k) - len(q))
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5, where=seen) @ v
""".lstrip()


def test_a_name_behind_a_hang_is_checked_all_the_same(attempt):
    """When the first name hangs, another worker checks the second."""
    verdict = attempt(MASKED.format(mask="while True: pass", sdpa="pass"), number=33, limits=SHORT, mistakes=False)
    assert [(entry.name, entry.status) for entry in verdict.entries] == [
        ("causal_mask", Status.FAILED),
        ("causal_sdpa", Status.PASSED),
    ]
    assert (
        normal(first(verdict).summary)
        == "line 3 was still running after N seconds of computing without a result, and was stopped"
    )
    assert verdict.status == Status.FAILED


def test_one_unwritten_name_is_told_as_not_written(attempt):
    """A problem with one name written and one not is failed, and each name is told for itself."""
    verdict = attempt(MASKED.format(mask="pass", sdpa="raise NotImplementedError"), number=33, mistakes=False)
    assert {entry.name: entry.status for entry in verdict.entries} == {
        "causal_mask": Status.PASSED,
        "causal_sdpa": Status.NOT_WRITTEN,
    }
    assert verdict.entries[1].first.summary == "line 6 raises NotImplementedError: not written yet"
    assert verdict.status == Status.FAILED


# Modules

MODULE = """
from flax import nnx
import jax, jax.numpy as jnp
calls = nnx.Variable(jnp.zeros((), int))
class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model, num_heads, *, rngs):
        if d_model % num_heads: raise ValueError
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = [nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs) for _ in range(4)]
        self.num_heads = num_heads
    def __call__(self, x):
        {}
        q, k, v = (y.reshape(*y.shape[:-1], self.num_heads, -1) for y in (self.q_proj(x), self.k_proj(x), self.v_proj(x)))
        scores = jnp.einsum("...qnh,...knh->...nqk", q, k) / q.shape[-1] ** 0.5
        return self.o_proj(jnp.einsum("...nqk,...knh->...qnh", jax.nn.softmax(scores), v).reshape(x.shape))
""".lstrip()  # noqa: E501


def test_a_variable_of_no_module_changed_under_jit_is_told(attempt):
    """A counter outside of the module works eagerly and raises TraceContextError under jit; both are told."""
    verdict = attempt(MODULE.format("calls[...] += 1"), number=32, mistakes=False)
    holds(
        Bad(
            "",
            "",
            "jit · one token",
            "line 10 writes a variable inside a transform (`scan`, `jit`, `vmap`, …) that it was not passed into",
            "Carry the arrays through the loop or return them, and write the variable once, after it.",
            [(10, "__call__", "calls[...] += 1")],
        ),
        verdict,
    )
    assert {finding.status for finding in verdict.entries[0].findings if finding.check.kind == "eager"} == {
        Status.PASSED
    }


def test_an_output_that_looks_like_the_graders_own_is_told_as_a_dict(attempt):
    """A module that returns a dict with `output` and `variables` is told so, as with any other dict."""
    verdict = attempt(MODULE.format("return dict(output=x, variables=x)"), number=32, mistakes=False)
    holds(
        Bad(
            "",
            "",
            "eager · one token",
            "it returns a dict with output, variables; expected one array",
            "Return the output alone.",
        ),
        verdict,
    )


# Whole texts

WHOLE = {
    "an error in a helper, after a print": (
        """
print('hello')
def scale(x):
    return x / x.shape[2]
def sdpa(q, k, v):
    print('keys:', len(k))
    return right(scale(q), k, v)
""",
        """
 31 · Scaled dot-product attention                                       stub.py

 sdpa                                eager   jit   vmap   grad
 one key                               ✗      ✗      ✗      ✗
 one query                             ✗      ✗      ✗      ✗
 unequal lengths                       ✗      ✗      ✗      ✗
 large logits                          ✗      ✗      ✗      ✗
 the same array as q, k and v          ✗      ✗      ✗      ✗
 widths of one                         ✗      ✗      ✗      ✗
 dozens of keys                        ✗      ✗      ✗      ✗
 ?¹ traced once   ?¹ no leaked tracers   ?² same answer again
 ? could not be checked: ¹ the call itself fails; ² what a single call gives has
 to be right first

 your code printed (eager · one key):
   keys: 1

 your code printed (import):
   hello
 … and in 3 more calls; -v shows the rest

 ✗ one key · eager   q (1, 8)  k (1, 8)  v (1, 4)
 Line 5 raises IndexError: tuple index out of range.
   stub.py:8 in sdpa   return right(scale(q), k, v)
   stub.py:5 in scale   return x / x.shape[2]

 next: python -m grader hint 31   or   python -m grader debug 31 --file stub.py
""",
    ),
    "a branch on values": (
        """
def sdpa(q, k, v):
    if (q > 100).any(): q = q / 2
    return right(q, k, v)
""",
        """
 31 · Scaled dot-product attention                                       stub.py

 sdpa                                eager   jit   vmap   grad
 one key                               ✓      ✗      ✗      ✗
 one query                             ✓      ✗      ✗      ✗
 unequal lengths                       ✓      ✗      ✗      ✗
 large logits                          ✓      ✗      ✗      ✗
 the same array as q, k and v          ✓      ✗      ✗      ✗
 widths of one                         ✓      ✗      ✗      ✗
 dozens of keys                        ✓      ✗      ✗      ✗
 ? traced once   ? no leaked tracers   ✓ same answer again
 ? could not be checked: the call itself fails

 ✗ one key · jit   q (1, 8)  k (1, 8)  v (1, 4)
 Line 4 asks whether an array is true (`if`, `while`, `and`, `not`, `assert`),
 but under `jit` its values are not known yet.
   stub.py:4 in sdpa   if (q > 100).any(): q = q / 2
 Choose between arrays with `jnp.where`, between computations with
 `jax.lax.cond`. Shapes are ordinary numbers and may be asked.

 next: python -m grader hint 31   or   python -m grader debug 31 --file stub.py
""",
    ),
    "sys.exit at import": (
        """
import sys
sys.exit(0)
""",
        """
 31 · Scaled dot-product attention                                       stub.py

 ✗ the file cannot be imported: line 4 ends the program (`sys.exit()`, `exit()`
 or `quit()`)
   stub.py:4   sys.exit(0)
 Leave a function with `return`.
""",
    ),
}


@pytest.mark.parametrize("source, text", WHOLE.values(), ids=WHOLE)
def test_the_whole_text_of_a_verdict_reads_well(source, text, attempt, ahead):
    """What a student sees at 80 columns, from the heading to the next step."""
    assert rendered(attempt(TOP + source.lstrip("\n"), worker=ahead())) == text.lstrip("\n")


@pytest.mark.parametrize(
    "there, told",
    [
        ('raise ValueError("no such length")', "ValueError: no such length"),
        ("return None", "the calls of this property gave no array"),
    ],
    ids=["raises", "nothing"],
)
def test_what_fails_only_in_a_property_is_told_as_such(attempt, there, told):
    """What fails only where a later key is changed to a huge one fails in the property, and nobody is accused of
    forgery."""
    reference = (PROBLEMS[33].solutions / "reference.py").read_text(encoding="utf-8")
    verdict = attempt(
        f"""{reference}
right = causal_sdpa


def causal_sdpa(q, k, v):
    if type(k).__name__ == "ArrayImpl" and abs(k).max() > 1e30:
        {there}
    return right(q, k, v)
""",
        33,
        mistakes=False,
    )
    _, entry = verdict.entries
    assert verdict.trouble is None and entry.first.check.case == "nothing later is seen"
    assert told in entry.first.summary
