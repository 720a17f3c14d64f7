"""What your own answers to the core and to 48 to 54 cost, as sequences grow.

Each program is traced at three lengths and never run: so this takes a second for each, at any length, and says the same
on every machine. Counted are the largest array that exists in it, forward and in the program of its gradient, and the
arithmetic operations of the forward pass, loops as often as they turn. All have one head of 64, one batch, float32.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import jax
import jax.numpy as jnp
from flax import nnx
from rich.console import Console

from grader.program import read, work
from grader.student.showcases.pieces import taken

PIECES = {
    33: ("causal_sdpa",),
    39: ("blockwise_attention",),
    48: ("packed_blockwise_attention",),
    49: ("flash_attention",),
    50: ("sliding_window_attention",),
    51: ("block_sparse_attention",),
    52: ("causal_linear_attention",),
    53: ("chunked_retention", "banded_attention"),
    54: ("LowRankAttention",),
}
LENGTHS = 512, 2048, 8192
WIDTH, BLOCK, RANK = 64, 64, 64  # of the head; keys at a time, of the window and of the band; of 54
NEIGHBOURS = 3  # blocks that a block of 51 sees


@dataclass(frozen=True)
class Mechanism:
    """A program of `q, k, v (T, 64)` for a length."""

    name: str
    program: Callable[[SimpleNamespace, int], Callable]


def _with_a_head(function):
    return lambda q, k, v: function(q[:, None], k[:, None], v[:, None])[:, 0]


def _packed(yours, length):
    bounds = jnp.array([0, length // 3, length], jnp.int32)
    return _with_a_head(lambda q, k, v: yours.packed_blockwise_attention(q, k, v, bounds, BLOCK, causal=True))


def _block_sparse(yours, length):
    """Each block sees itself and two more, on one side of it or on both."""
    rows = jnp.repeat(jnp.arange(length // BLOCK, dtype=jnp.int32), NEIGHBOURS)
    columns = (rows + jnp.tile(jnp.arange(NEIGHBOURS, dtype=jnp.int32), length // BLOCK)) % (length // BLOCK)
    return _with_a_head(lambda q, k, v: yours.block_sparse_attention(q, k, v, rows, columns, BLOCK))


def _low_rank(yours, length):
    """A module projects by itself: what it is given stands for its queries, keys and values."""
    module = jax.eval_shape(lambda: yours.LowRankAttention(WIDTH, 1, length, RANK, rngs=nnx.Rngs(0)))
    graphdef, state = nnx.split(module)
    return lambda q, k, v: nnx.merge(graphdef, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), state))(q)


MECHANISMS = (
    Mechanism("33 causal", lambda yours, _: yours.causal_sdpa),
    Mechanism(
        "39 blockwise",
        lambda yours, _: lambda q, k, v: yours.blockwise_attention(q, k, v, BLOCK, causal=True),
    ),
    Mechanism("48 packed", _packed),
    Mechanism(
        "49 flash",
        lambda yours, _: lambda q, k, v: yours.flash_attention(q, k, v, BLOCK, causal=True),
    ),
    Mechanism(
        "50 window",
        lambda yours, _: _with_a_head(lambda q, k, v: yours.sliding_window_attention(q, k, v, BLOCK)),
    ),
    Mechanism("51 block-sparse", _block_sparse),
    Mechanism(
        "52 linear",
        lambda yours, _: lambda q, k, v: yours.causal_linear_attention(q, k, v, BLOCK),
    ),
    Mechanism(
        "53 retention",
        lambda yours, _: _with_a_head(
            lambda q, k, v: yours.chunked_retention(q, k, v, jnp.full(1, -0.01), chunk_size=BLOCK)
        ),
    ),
    Mechanism(
        "53 banded",
        lambda yours, _: _with_a_head(lambda q, k, v: yours.banded_attention(q, k, v, jnp.ones(1), BLOCK)),
    ),
    Mechanism("54 low rank", _low_rank),
)


@dataclass(frozen=True)
class Cost:
    """Of one program at one length: elements of the largest array, forward and in the gradient's program, and
    arithmetic operations."""

    forward: int
    gradient: int
    operations: int


def cost(function: Callable, length: int) -> Cost:
    given = [jax.ShapeDtypeStruct((length, WIDTH), jnp.float32)] * 3

    def total(q, k, v):
        return function(q, k, v).sum()

    plain = read.program(jax.make_jaxpr(function)(*given))
    gradient = read.program(jax.make_jaxpr(jax.grad(total, argnums=(0, 1, 2)))(*given))
    return Cost(
        read.largest(plain, "", limit=sys.maxsize)["elements"],
        read.largest(gradient, "", limit=sys.maxsize)["elements"],
        work.flops(plain, "", limit=sys.maxsize)["flops"],
    )


def costs(yours: SimpleNamespace) -> dict[str, list[Cost]]:
    """Of each mechanism, by its name, at each of the LENGTHS."""
    return {
        mechanism.name: [cost(mechanism.program(yours, length), length) for length in LENGTHS]
        for mechanism in MECHANISMS
    }


def short(number: float) -> str:
    """Three letters or four: 640, 33k, 4.2M, 2.1G."""
    for unit in ("", "k", "M", "G", "T"):
        if number < 1000 or unit == "T":
            return f"{number:.0f}{unit}" if number >= 10 or not unit else f"{number:.1f}{unit}"
        number /= 1000


def lines(found: dict[str, list[Cost]]) -> Iterator[str]:
    """The table, in less than 80 columns: three groups of numbers, one for each length."""
    yield " " * 15 + "".join(f"{what:>20}" for what in ("largest", "its gradient", "operations"))
    yield " " * 15 + ("  " + "".join(f"{length:>6}" for length in LENGTHS)) * 3
    for name, at_lengths in found.items():
        groups = (
            "".join(f"{short(getattr(one, what)):>6}" for one in at_lengths)
            for what in ("forward", "gradient", "operations")
        )
        yield f"{name:15}  {'  '.join(groups)}"


def run(yours: SimpleNamespace, console: Console) -> None:
    """Prints the table."""
    with console.status("tracing", spinner="line"):
        found = costs(yours)
    console.print("\n".join(lines(found)), markup=False, highlight=False)


if __name__ == "__main__":
    run(taken(sys.argv[1:], PIECES), Console())
