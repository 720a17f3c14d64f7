"""52 · The ladders of cases for `linear_attention`, `linear_attention_step` and `causal_linear_attention`. Sources:
Katharopoulos et al. 2020, sections 3.2 to 3.4; Yang et al. 2023, section 2.2."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Growth, Largest, Precision, Turns

PART = "Long sequences"
LOWEST = -4.5  # of a query or a key: elu(x) + 1 is accurate above


def draw(rng, length, width, low=None, top=1.0, rise=0.0):
    """Rows of ordinary numbers, some of them below 0, none below LOWEST. With `low` all are near it; `top` makes the
    positive ones as many times as large; by `rise` each row is higher than the one before."""
    rows = rng.standard_normal((length, width))
    if low is not None:
        rows = low + 0.2 * rows
    rows = np.where(rows > 0, top * rows, rows) + rise * np.arange(length)[:, None]
    return np.maximum(rows, LOWEST)


def values(rng, length, width, level):
    """Around 0, or around a `level`, so that a sum of many is large."""
    return level + rng.standard_normal((length, width))


def inputs(rng, t_q, t_k, d_k=3, d_v=5, level=0.0, dtype=np.float32, **shape):
    arrays = dict(q=draw(rng, t_q, d_k, **shape), k=draw(rng, t_k, d_k, **shape), v=values(rng, t_k, d_v, level))
    return {name: array.astype(dtype) for name, array in arrays.items()}


def tokens(rng, before, length=None, d_k=3, d_v=5, level=0.0, dtype=np.float32, **shape):
    """The state of as many tokens as came `before`, and the next token; or the next `length` ones, for the driver."""
    earlier, v = draw(rng, before, d_k, **shape), values(rng, before, d_v, level)
    features = np.where(earlier > 0, earlier + 1, np.exp(np.minimum(earlier, 0)))
    state = (features.T @ v).astype(np.float32), features.sum(0).astype(np.float32)
    arrays = inputs(rng, length or 1, length or 1, d_k, d_v, level, dtype, **shape)
    return dict(state=state) | {name: rows if length else rows[0] for name, rows in arrays.items()}


def in_chunks(rng, length, chunk_size, **sizes):
    return inputs(rng, length, length, **sizes) | dict(chunk_size=chunk_size)


BF16 = ml_dtypes.bfloat16
WIDE = dict(d_k=16, d_v=16)
FEW = ("eager", "jit")
VALUES = ("eager", "jit", "vmap")  # of one key alone the weight cancels, and the gradients for it are roundings


def linear(where, cases):
    """Twice as many queries and keys take at most twice as much."""
    options = dict(exponent=1.0, length=lambda t_k, **_: t_k)
    return [
        Growth(
            f"linear work{where}",
            "The work is linear in T_q and T_k.",
            cases,
            of="flops",
            limit=lambda t_k, d_k, d_v, **_: 1024 * t_k * (d_k + 1) * (d_v + 1),
            **options,
        ),
        Growth(
            f"linear memory{where}",
            "The largest array is linear in T_q and T_k.",
            cases,
            of="largest",
            limit=lambda t_k, d_k, d_v, **_: 64 * t_k * (d_k + 1) * (d_v + 1),
            **options,
        ),
    ]


def no_longer_program(where, cases):
    return Growth(
        f"no longer program for more tokens{where}",
        "The program must not grow with T.",
        cases,
        of="equations",
        exponent=0.0,
        length=lambda length, **_: length,
        limit=lambda **_: 600,
    )


def few_turns(where, case):
    return Turns(
        f"a turn for each chunk{where}",
        "A loop takes at most ceil(T / chunk_size) turns.",
        [case],
        limit=lambda length, chunk_size, **_: -(-length // chunk_size),
    )


def small(where, case):
    return [
        Largest(
            f"nothing of size T × T{where}",
            "Nothing of size T × T may exist, not even a mask.",
            [case],
            limit=lambda length, **_: length**2,
        ),
        Largest(
            f"nothing of size T × d_k × d_v{where}",
            "Nothing of size T × d_k × d_v may exist: no state for each token.",
            [case],
            limit=lambda length, d_k, d_v, **_: length * d_k * d_v,
        ),
    ]


FLOAT32 = "Features, scores, state and sums are kept in float32."

ENTRIES = [
    Function(
        "linear_attention",
        inputs,
        cases={
            "one query, one key": Case(t_q=1, t_k=1, idle=("q", "k"), under=VALUES),
            "one query, several keys": Case(t_q=1, t_k=4),
            "several queries": Case(t_q=3, t_k=4),
            "more queries than keys": Case(t_q=6, t_k=2, under=("eager", "vmap")),
            "every size the same": Case(t_q=4, t_k=4, d_k=4, d_v=4, under=FEW),
            "one feature": Case(t_q=3, t_k=4, d_k=1, under=("eager",), idle=("q",)),
            "every axis of length one": Case(t_q=1, t_k=1, d_k=1, d_v=1, idle=("q", "k"), under=FEW),
            "all features small": Case(t_q=3, t_k=2, d_k=2, low=-3.8, under=("eager", "grad")),
            "features of hundreds": Case(t_q=3, t_k=4, top=200.0, under=("eager", "grad")),
            "bfloat16": Case(t_q=5, t_k=6, top=5.0, dtype=BF16, under=FEW),
            "dozens of tokens": Case(t_q=30, t_k=45, d_k=16, d_v=6, level=1.0),
            "512 queries, 1024 keys": Case(t_q=512, t_k=1024, **WIDE, under=("jit",)),
            "1024 queries, 2048 keys": Case(t_q=1024, t_k=2048, **WIDE, under=()),
            "1001 queries, 1101 keys": Case(t_q=1001, t_k=1101, **WIDE, under=()),
            "2002 queries, 2202 keys": Case(t_q=2002, t_k=2202, **WIDE, under=()),
        },
        proofs=[
            *linear("", ["512 queries, 1024 keys", "1024 queries, 2048 keys"]),
            *linear(", no power of two", ["1001 queries, 1101 keys", "2002 queries, 2202 keys"]),
            Precision("float32 where it sums", FLOAT32, ["bfloat16"]),
        ],
    ),
    Function(
        "linear_attention_step",
        tokens,
        cases={
            "the first token": Case(before=0, idle=("q",), under=VALUES),
            "the second token": Case(before=1),
            "the fifth token": Case(before=4),
            "every size the same": Case(before=3, d_k=4, d_v=4, under=("eager", "grad")),
            "every axis of length one": Case(before=2, d_k=1, d_v=1, idle=("q",), under=("eager", "jit")),
            "all features small": Case(before=1, d_k=2, low=-3.8, under=("eager", "grad")),
            "features of hundreds": Case(before=3, top=200.0, under=("eager", "grad")),
            "after thousands of tokens": Case(before=3000, d_k=8, level=3.0, under=("eager",)),
            "bfloat16": Case(before=3, top=5.0, dtype=BF16, under=FEW),
            "token by token, in a lax.scan": Case(before=0, length=7, driver="token_by_token"),
            "as many tokens as features, token by token": Case(
                before=2, length=4, d_k=4, d_v=4, driver="token_by_token", under=("eager",)
            ),
            "bfloat16, dozens of tokens, token by token": Case(
                before=0, length=48, d_k=8, level=3.0, dtype=BF16, driver="token_by_token", under=FEW
            ),
        },
        proofs=[
            Precision("float32 where it sums", FLOAT32, ["bfloat16"]),
            Precision("float32 from step to step", FLOAT32, ["bfloat16, dozens of tokens, token by token"]),
        ],
    ),
    Function(
        "causal_linear_attention",
        in_chunks,
        cases={
            "one token": Case(length=1, chunk_size=1, idle=("q", "k"), under=VALUES),
            "one chunk": Case(length=3, chunk_size=3),
            "two chunks of one token": Case(length=2, chunk_size=1, under=("eager", "jit", "grad")),
            "two whole chunks": Case(length=6, chunk_size=3, under=("eager", "grad")),
            "three whole chunks": Case(length=6, chunk_size=2, under=FEW),
            "a last chunk that is not full": Case(length=8, chunk_size=3),
            "a chunk longer than the sequence": Case(length=4, chunk_size=11),
            "every size the same": Case(length=4, chunk_size=4, d_k=4, d_v=4, under=("eager", "vmap")),
            "as many chunks as tokens in each": Case(length=9, chunk_size=3, d_k=3, d_v=3, under=("eager",)),
            "every axis of length one": Case(length=1, chunk_size=1, d_k=1, d_v=1, idle=("q", "k"), under=FEW),
            "later keys weigh more": Case(length=7, chunk_size=2, rise=2.0, under=("eager", "grad")),
            "all features small": Case(length=5, chunk_size=2, d_k=2, low=-3.8, under=("eager", "grad")),
            "features of hundreds": Case(length=5, chunk_size=2, top=200.0, under=("eager", "grad")),
            "bfloat16": Case(length=45, chunk_size=4, d_k=16, level=3.0, dtype=BF16, under=("eager", "jit", "grad")),
            "dozens of tokens": Case(length=37, chunk_size=8, d_k=16, d_v=6, level=1.0),
            # Few chunks: a loop that is unrolled in Python is compiled in full before anyone says so. A state for each
            # token has fewer elements than all pairs of tokens, so that each of the two claims has mistakes of its own.
            "a thousand tokens in chunks of 16": Case(length=1001, chunk_size=16, **WIDE, under=("jit",)),
            "two thousand": Case(length=2002, chunk_size=16, **WIDE, under=()),
            "256 tokens in chunks of 4": Case(length=256, chunk_size=4, d_k=16, d_v=8, under=("jit",)),
            "512 tokens in chunks of 4": Case(length=512, chunk_size=4, d_k=16, d_v=8, under=()),
        },
        proofs=[
            no_longer_program("", ["a thousand tokens in chunks of 16", "two thousand"]),
            no_longer_program(", in chunks of 4", ["256 tokens in chunks of 4", "512 tokens in chunks of 4"]),
            few_turns("", "dozens of tokens"),
            few_turns(", a thousand tokens", "a thousand tokens in chunks of 16"),
            *small("", "a thousand tokens in chunks of 16"),
            *small(", in chunks of 4", "256 tokens in chunks of 4"),
            Precision("float32 where it sums", FLOAT32, ["bfloat16"]),
        ],
        idle=("chunk_size",),
    ),
]
