"""53 · The ladders of cases for `retention`, `retention_step`, `chunked_retention` and `banded_attention`. Sources: Sun
et al. 2023, section 2; Press et al. 2022, section 3; Beltagy et al. 2020, section 3.1."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Growth, Largest, Precision, Turns

PART = "Long sequences"
TWO, THREE = (-0.2, -0.9), (-0.05, -0.4, -1.5)  # rates of two heads and of three
ALL_RATES = (0.0, -0.3, -6.0, -50.0)  # from nothing forgotten to all of it


def draw(rng, *shape, level=0.0, rise=0.0):
    """Ordinary numbers around a `level`, so that a sum of many is large; by `rise` a row is higher than the one
    before."""
    return level + rng.standard_normal(shape) + rise * np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))


def rates(rng, decays):
    """Near these, other ones each time; 0 stays 0, and none is far below the lowest. They are logarithms of float32
    numbers: an answer that turns a rate into a factor once, and one that never does, then mean the same decay. Over
    thousands of tokens the gradient would show that one rounding."""
    near = np.array(decays) * rng.uniform(0.8, 1.0, len(decays))
    return np.log(np.exp(near).astype(np.float32).astype(np.float64)).astype(np.float32)


def inputs(rng, length, decays=TWO, width=3, width_v=5, level=0.0, rise=0.0, dtype=np.float32):
    widths = dict(q=width, k=width, v=width_v)
    rows = {name: draw(rng, length, len(decays), wide, level=level) for name, wide in widths.items()}
    rows["k"] += draw(rng, length, 1, 1, rise=rise) if rise else 0.0
    return {name: array.astype(dtype) for name, array in rows.items()} | dict(log_decay=rates(rng, decays))


def tokens(rng, before, length=None, decays=TWO, width=3, width_v=5, level=0.0, dtype=np.float32):
    """The state of as many tokens as came `before`, and the next token; or the next `length` ones, for the driver."""
    earlier = inputs(rng, before, decays, width, width_v, level)
    back = np.exp(np.multiply.outer(np.arange(before)[::-1], earlier["log_decay"]))
    state = np.einsum("tn,tnh,tnd->nhd", back, earlier["k"], earlier["v"]).astype(np.float32)
    arrays = inputs(rng, length or 1, decays, width, width_v, level, dtype=dtype)
    return dict(state=state) | {
        name: rows if length or name == "log_decay" else rows[0] for name, rows in arrays.items()
    }


def in_chunks(rng, length, chunk_size, **sizes):
    return inputs(rng, length, **sizes) | dict(chunk_size=chunk_size)


def band_inputs(rng, length, band, alphas=(0.1, 0.8), width=3, beyond=0.0, lift=0.0, swing=0.0, dtype=np.float32):
    """With `beyond` a key scores higher by so much times the square of its distance, and all scores are far below 0.
    `lift` is added to every score of the even queries and taken from those of the odd ones. With `swing` each pair of
    keys scores that much more than the one before for the even queries, and that much less for the odd ones."""
    q, k, v = (draw(rng, length, len(alphas), width) for _ in range(3))
    row, root = np.arange(length)[:, None], width**0.5
    if lift or swing:
        q[:, :, 0], k[:, :, 0] = root * (-1.0) ** row, lift + swing * (row // 2)
    if beyond:
        # By two features (i - j)^2 is a product, but for what is common to a row.
        q[:, :, 0], k[:, :, 0] = -2 * root * row, beyond * row
        q[:, :, 1], k[:, :, 1] = root, beyond * (row**2 - length**2)
    rows = dict(q=q, k=k, v=v)
    alpha = (np.array(alphas) * rng.uniform(0.8, 1.2, len(alphas))).astype(np.float32)
    return {name: array.astype(dtype) for name, array in rows.items()} | dict(alpha=alpha, band=band)


BF16 = ml_dtypes.bfloat16
FEW = ("eager", "jit")
VALUES = ("eager", "jit", "vmap")
SAME = dict(decays=(-0.1, -0.3, -0.6, -1.0), width=4, width_v=4)  # as many heads as features
ONES = dict(decays=(-0.3,), width=1, width_v=1)
# A state has more numbers than a chunk has tokens, by far; a state for each token fewer than all pairs of tokens, so
# that each of the two claims has mistakes of its own. Of one head all pairs are T × T.
ONE_HEAD, TWO_HEADS = (
    dict(decays=(-0.02,), width=16, width_v=14),
    dict(decays=(-0.01, -0.3), width=16, width_v=8),
)


def no_longer_program(where, cases, limit=600):
    return Growth(
        f"no longer program for more tokens{where}",
        "The program must not grow with T.",
        cases,
        of="equations",
        exponent=0.0,
        length=lambda length, **_: length,
        limit=lambda **_: limit,
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
            f"nothing of size N × T × T{where}",
            "Nothing of size N × T × T may exist, not even a mask.",
            [case],
            limit=lambda length, decays, **_: len(decays) * length**2,
        ),
        Largest(
            f"nothing of size N × T × H × H_v{where}",
            "Nothing of size N × T × H × H_v may exist: no state for each token.",
            [case],
            limit=lambda length, decays, width, width_v, **_: len(decays) * length * width * width_v,
        ),
    ]


def linear(where, cases):
    """Twice as many tokens take at most twice as much."""
    # A little room: what reads the pairs that are there and no others has T - d of them at a distance of d.
    options = dict(exponent=1.02, length=lambda length, **_: length)

    def pairs(length, band, alphas, width, **_):
        return length * len(alphas) * (2 * band + 3) * width

    return [
        Growth(
            f"linear work{where}",
            "The work is linear in T.",
            cases,
            of="flops",
            limit=lambda **sizes: 400 * pairs(**sizes),
            **options,
        ),
        Growth(
            f"linear memory{where}",
            "The largest array is linear in T.",
            cases,
            of="largest",
            limit=lambda **sizes: 32 * pairs(**sizes),
            **options,
        ),
    ]


FLOAT32 = "Products, state and sums are kept in float32."

ENTRIES = [
    Function(
        "retention",
        inputs,
        cases={
            "one token": Case(length=1, idle=("log_decay",)),
            "two tokens": Case(length=2, under=("eager", "grad")),
            "several tokens": Case(length=6, decays=THREE),
            "every size the same": Case(length=4, **SAME, under=("eager", "grad")),
            "every axis of length one": Case(length=1, **ONES, idle=("log_decay",), under=FEW),
            "rates from 0 to -50": Case(length=7, decays=ALL_RATES),
            "later keys are larger": Case(length=7, rise=4.0, under=("eager", "grad")),
            "bfloat16": Case(length=9, dtype=BF16, under=FEW),
            "dozens of tokens, rates from 0 to -50": Case(
                length=50, decays=ALL_RATES, width=8, width_v=6, level=0.5, under=("jit", "vmap", "grad")
            ),
            # Of a loop in Python the compiled program would be long, and nothing says that there may be none.
            "a thousand tokens": Case(length=1100, decays=(-0.002, -0.2), level=0.5, under=("eager",)),
        },
    ),
    Function(
        "retention_step",
        tokens,
        cases={
            "the first token": Case(before=0, idle=("log_decay",), under=VALUES),
            "the second token": Case(before=1),
            "the fifth token, three heads": Case(before=4, decays=THREE, under=("eager", "grad")),
            "every size the same": Case(before=3, **SAME, under=("eager", "grad")),
            "every axis of length one": Case(before=2, **ONES, under=FEW),
            "rates from 0 to -50": Case(before=3, decays=ALL_RATES),
            "after thousands of tokens": Case(before=3000, decays=(0.0, -0.001), level=1.0, under=("eager",)),
            "bfloat16": Case(before=3, dtype=BF16, under=FEW),
            "token by token, in a lax.scan": Case(before=0, length=7, driver="token_by_token"),
            "as many tokens as features, token by token": Case(
                before=2, length=4, **SAME, driver="token_by_token", under=("eager",)
            ),
            "bfloat16, dozens of tokens, token by token": Case(
                before=0,
                length=48,
                decays=(0.0, -0.004),
                width=8,
                level=2.0,
                dtype=BF16,
                driver="token_by_token",
                under=FEW,
            ),
        },
        proofs=[
            Precision("float32 where it sums", FLOAT32, ["bfloat16"]),
            Precision("float32 from step to step", FLOAT32, ["bfloat16, dozens of tokens, token by token"]),
        ],
    ),
    Function(
        "chunked_retention",
        in_chunks,
        cases={
            "one token": Case(length=1, chunk_size=1, idle=("log_decay",), under=("jit",)),
            "one chunk": Case(length=3, chunk_size=3, under=("eager", "jit", "grad")),
            "two chunks of one token": Case(length=2, chunk_size=1, under=("jit", "grad")),
            "two whole chunks": Case(length=6, chunk_size=3, under=("eager", "grad")),
            "three whole chunks": Case(length=6, chunk_size=2, decays=THREE, under=("eager",)),
            "a last chunk that is not full": Case(length=8, chunk_size=3),
            "a chunk longer than the sequence": Case(length=4, chunk_size=11, under=("eager", "grad")),
            "every size the same": Case(length=4, chunk_size=4, **SAME, under=("jit", "vmap")),
            "as many chunks as tokens in each": Case(length=9, chunk_size=3, under=("jit",)),
            "every axis of length one": Case(length=1, chunk_size=1, **ONES, idle=("log_decay",), under=("jit",)),
            "rates from 0 to -50": Case(length=13, chunk_size=5, decays=ALL_RATES, under=("eager", "grad")),
            "bfloat16": Case(
                length=45, chunk_size=4, decays=(0.0, -0.004), width=16, level=2.0, dtype=BF16, under=("jit",)
            ),
            # The slowest rate is far from 0 for this length, so that a small step of it does not bend what comes out.
            "two thousand tokens, rates down to -50": Case(
                length=2001, chunk_size=64, decays=(-0.03, -0.1, -50.0), level=0.2, under=("jit", "grad")
            ),
            # Few chunks: a loop that is unrolled in Python is compiled in full before anyone says so.
            "a thousand tokens in chunks of 16": Case(length=1001, chunk_size=16, **ONE_HEAD, under=("jit",)),
            "two thousand": Case(length=2002, chunk_size=16, **ONE_HEAD, under=()),
            "256 tokens in chunks of 4": Case(length=256, chunk_size=4, **TWO_HEADS, under=("jit",)),
            "512 tokens in chunks of 4": Case(length=512, chunk_size=4, **TWO_HEADS, under=()),
        },
        proofs=[
            no_longer_program("", ["a thousand tokens in chunks of 16", "two thousand"]),
            no_longer_program(", in chunks of 4", ["256 tokens in chunks of 4", "512 tokens in chunks of 4"]),
            few_turns("", "a thousand tokens in chunks of 16"),
            few_turns(", in chunks of 4", "256 tokens in chunks of 4"),
            *small("", "a thousand tokens in chunks of 16"),
            *small(", in chunks of 4", "256 tokens in chunks of 4"),
            Precision("float32 where it sums", FLOAT32, ["bfloat16"]),
        ],
        idle=("chunk_size",),
    ),
    Function(
        "banded_attention",
        band_inputs,
        cases={
            "one token": Case(length=1, band=1, idle=("q", "k", "alpha", "band"), under=("jit",)),
            "a band of 0": Case(length=3, band=0, idle=("q", "k", "alpha"), under=("eager",)),
            "the nearest neighbours": Case(length=4, band=1),
            "two to each side": Case(length=8, band=2, alphas=(0.1, 0.4, 1.5), under=("eager", "grad")),
            "a band as long as all but one token": Case(length=5, band=4, under=("eager", "grad")),
            "a band far longer than the sequence": Case(length=4, band=19, under=("eager", "grad")),
            "every size the same": Case(length=4, band=4, alphas=(0.1, 0.3, 0.7, 1.2), width=4, under=("eager",)),
            "every axis of length one": Case(
                length=1, band=0, alphas=(0.5,), width=1, idle=("q", "k", "alpha", "band"), under=("jit",)
            ),
            "large rates": Case(length=7, band=2, alphas=(3.0, 60.0), under=("eager", "grad")),
            "keys beyond the band score higher, by dozens": Case(
                length=12, band=2, beyond=0.5, under=("eager", "grad")
            ),
            "scores of every second query hundreds below the others": Case(
                length=7, band=3, lift=300.0, under=("eager", "grad")
            ),
            "scores that rise and fall by hundreds, pair by pair": Case(
                length=8, band=3, swing=150.0, under=("eager",)
            ),
            "bfloat16": Case(length=9, band=2, dtype=BF16, under=("jit",)),
            "dozens of tokens": Case(
                length=43, band=5, alphas=(0.05, 0.3, 1.0), width=8, under=("jit", "vmap", "grad")
            ),
            # Far above the band, and once no multiple of anything that a band suggests.
            "403 tokens in a band of 4": Case(length=403, band=4, alphas=(0.2, 0.9), width=8, under=("jit",)),
            "806 tokens in a band of 4": Case(length=806, band=4, alphas=(0.2, 0.9), width=8, under=()),
            "1024 tokens in a band of 32": Case(length=1024, band=32, alphas=(0.05,), width=8, under=("jit",)),
            "2048 tokens in a band of 32": Case(length=2048, band=32, alphas=(0.05,), width=8, under=()),
        },
        proofs=[
            no_longer_program("", ["403 tokens in a band of 4", "806 tokens in a band of 4"], 1500),
            no_longer_program(
                ", in a band of 32", ["1024 tokens in a band of 32", "2048 tokens in a band of 32"], 5000
            ),
            *linear("", ["403 tokens in a band of 4", "806 tokens in a band of 4"]),
            *linear(", in a band of 32", ["1024 tokens in a band of 32", "2048 tokens in a band of 32"]),
        ],
    ),
]
