"""42 · The ladder of cases for `sinusoidal_encoding` and `rotate`. Source: Vaswani et al. 2017, section 3.5, and Su et
al. 2021, section 3.2.2."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Relation

PART = "A language model"
FAR = 60_000  # above every position; each of a case's is above half of it
HONEST = 2.0**-22  # an angle in float32 may be off by this times its position


def sizes(rng, length, d_model, **base):
    """`base` is left out of the call where a case does not give it."""
    return dict(length=length, d_model=d_model) | base


def inputs(
    rng, length, heads, width, batch=(), of_each=True, start=None, below=10, far=False, dtype=np.float32, **base
):
    """Positions from `start` on, or in no order, from 1 to `below`, or `far` away; for each sequence, or for all."""
    x = rng.standard_normal((*batch, length, heads, width)).astype(dtype)
    if length > 3:
        x[..., 1, :, :] = 0  # a token of zeros is one like any other, and has a gradient
    where = (*batch, length) if of_each else (length,)
    if start is not None:
        positions = np.broadcast_to(start + np.arange(length), where)
    else:
        positions = rng.integers(FAR // 2 if far else 1, FAR if far else below, where)
    return dict(x=x, positions=positions.astype(np.int32)) | base


# --- What a rotation is, told by two calls


# Not far away, where two programs with the same mistake may differ as much as an angle in float32.


def move_all(rng, inputs):
    """The same tokens, all of them further on by the same number."""
    for by in (1, 100):
        yield f"all positions are larger by {by}", inputs | dict(positions=inputs["positions"] + np.int32(by))


def scores_differ(arrays, output, label, changed_arrays, changed_output):
    """For each token and head: whether its dot product with the same head of some token is another one."""
    longest = np.linalg.norm(output.astype(np.float64), axis=-1)  # (T, N)
    farthest = max(arrays["positions"].max(), changed_arrays["positions"].max())
    # each of the two calls turns each of the two tokens, and may be off by so much
    allowed = (4 * HONEST * farthest + 1e-5) * longest[:, None] * longest
    return (np.abs(_scores(changed_output) - _scores(output)) > allowed).any(axis=1)


def _scores(rows):
    rows = rows.astype(np.float64)
    return np.einsum("inh,jnh->ijn", rows, rows)


def place_elsewhere(rng, inputs):
    """Other positions for the same tokens."""
    for below in (10, 300):
        yield (
            f"positions are other ones, below {below}",
            inputs | dict(positions=rng.integers(0, below, inputs["positions"].shape, np.int32)),
        )


def lengths_differ(arrays, output, label, changed_arrays, changed_output):
    """For each token, head and pair: whether it is longer or shorter than what came in, which no angle explains. Sine
    and cosine may be those of two angles, each as far off as an angle may be."""
    before, after = (_lengths(rows) for rows in (changed_arrays["x"], changed_output))
    allowed = 2 * HONEST * changed_arrays["positions"].max() + 1e-5
    return np.abs(after - before) > allowed * (before + 1e-3)


def _lengths(rows):
    return np.hypot(*np.split(rows.astype(np.float64), 2, axis=-1))


EAGER, VALUES = ("eager",), ("eager", "jit")
LINEAR = ("x under grad",)  # the gradient of a turn is a turn back, whatever x is

ENTRIES = [
    Function(
        "sinusoidal_encoding",
        sizes,
        cases={
            "one position": Case(length=1, d_model=4),
            "one pair of columns": Case(length=4, d_model=2),
            "two pairs of columns": Case(length=3, d_model=4),
            "another base": Case(length=3, d_model=6, base=500.0),
            "as many positions as columns": Case(length=6, d_model=6),
            "more columns than positions": Case(length=3, d_model=16),
            "hundreds of positions": Case(length=600, d_model=8),
        },
    ),
    Function(
        "rotate",
        inputs,
        cases={
            "one token, one pair": Case(length=1, heads=1, width=2, idle=LINEAR),
            "one token, two pairs": Case(length=1, heads=1, width=4, idle=LINEAR),
            "several tokens, from position 0": Case(length=4, heads=2, width=6, start=0, under=EAGER),
            "several tokens, from position 7": Case(length=4, heads=2, width=6, start=7, idle=LINEAR),
            "another base": Case(length=3, heads=2, width=6, base=500.0, under=VALUES),
            "positions in no order, as many tokens as heads": Case(length=4, heads=4, width=6, under=EAGER),
            "one batch dimension, positions for each sequence": Case(
                length=4, heads=2, width=6, batch=(3,), idle=LINEAR
            ),
            "one batch dimension, positions for all": Case(
                length=4, heads=2, width=6, batch=(3,), of_each=False, under=VALUES
            ),
            "as many sequences as tokens, positions for all": Case(
                length=4, heads=4, width=6, batch=(4,), of_each=False, under=EAGER
            ),
            "two batch dimensions": Case(length=3, heads=2, width=4, batch=(2, 3), under=EAGER),
            "bfloat16": Case(
                length=4, heads=2, width=6, dtype=ml_dtypes.bfloat16, under=("eager", "grad"), idle=LINEAR
            ),
            "positions in the tens of thousands": Case(length=4, heads=2, width=6, far=True, under=VALUES),
            "bfloat16, positions in the tens of thousands": Case(
                length=4,
                heads=2,
                width=6,
                far=True,
                dtype=ml_dtypes.bfloat16,
                under=("eager", "jit", "grad"),
                idle=LINEAR,
            ),
            "every axis of length one, but for a pair": Case(length=1, heads=1, width=2, batch=(1,), under=EAGER),
            "dozens of tokens": Case(length=25, heads=3, width=16, below=200, under=EAGER),
            "an odd width": Case(length=4, heads=2, width=5, raises="ValueError", under=EAGER),
            "a width of one": Case(length=4, heads=2, width=1, raises="ValueError", under=EAGER),
        },
        relations=[
            Relation(
                name="scores see only the distance",
                rule="The product of a turned query and a turned key depends on how far apart the two stand: to move "
                "all positions by the same number changes no product.",
                vary=move_all,
                broken=scores_differ,
                case="dozens of tokens",
            ),
            Relation(
                name="no length changes",
                rule="A turn changes no length: x_i² + x_j² of each pair is after it what it was before.",
                vary=place_elsewhere,
                broken=lengths_differ,
                case="dozens of tokens",
            ),
        ],
    ),
]
