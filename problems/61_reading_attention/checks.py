"""61 · The ladders of cases for three ways to read weights. Sources: Abnar & Zuidema 2020, section 3; Vig & Belinkov
2019; Olsson et al. 2022."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function

PART = "Before the transformer"


def weights_of(rng, shape, kind="any", sums="one", dtype=np.float32):
    """Weights of queries over keys, on the last two axes. Of `kind` "causal" later keys get nothing, of "one key" each
    row looks at a single one, and of "the first keys" at one of the first four, 1 or 5 or 9 … away. `sums` says what
    rows sum to: "one", or "any" number, below 1 and above."""
    *lead, length, _ = shape
    if kind == "one key":
        weights = np.eye(length)[rng.integers(length, size=(*lead, length))]
    elif kind == "the first keys":
        weights = np.broadcast_to(np.eye(length)[(np.arange(length) - 1) % 4], shape)
    else:
        weights = rng.uniform(0.1, 1.1, shape)
        weights = np.tril(weights) if kind == "causal" else weights
        weights = weights / weights.sum(axis=-1, keepdims=True)
    if sums == "any":
        weights = weights * rng.uniform(0.4, 1.9, (*lead, length, 1))
    return dict(weights=weights.astype(dtype))


def with_tokens(rng, heads, tokens=None, length=0, vocabulary=0, **options):
    """Weights, and the tokens that they were computed from: those given, or as many as `length` of a vocabulary."""
    if tokens is None:
        tokens = rng.integers(vocabulary, size=length)
    drawn = weights_of(rng, (heads, len(tokens), len(tokens)), **options)
    return dict(**drawn, tokens=np.asarray(tokens, np.int32))


VALUES = ("eager", "jit")
ONCE = ("eager", "grad")
LINEAR = ("weights under grad",)  # of what is linear in the weights the gradient is the same for all of them
LEAST, LARGEST = -(2**31), 2**31 - 1
# Numbers that people put in front of a sequence to stand for "nothing" come once each: who does so sees them twice.
# Some of the others are alike as float32, or in fewer bits. Those that do come twice are no rows of a one-hot matrix.
UNLIKELY = (0, -1, LEAST, LARGEST, 2**24 + 1, -2, 2**24, -7, 2**24 + 257, -100, 2**24 + 1, LARGEST - 1, -7, 1)

ENTRIES = [
    Function(
        "attention_rollout",
        weights_of,
        cases={
            "one layer, one head": Case(shape=(1, 1, 3, 3), under=ONCE, idle=LINEAR),
            "one layer, three heads": Case(shape=(1, 3, 2, 2), under=ONCE, idle=LINEAR),
            "two layers, one head": Case(shape=(2, 1, 3, 3)),
            "as many layers as heads and tokens": Case(shape=(3, 3, 3, 3), under=ONCE),
            "later keys hidden": Case(shape=(2, 3, 5, 5), kind="causal", under=ONCE),
            "rows of any sum": Case(shape=(3, 2, 4, 4), sums="any"),
            "every axis of length one": Case(shape=(1, 1, 1, 1), sums="any", under=ONCE, idle=LINEAR),
            "one token": Case(shape=(3, 2, 1, 1), sums="any", under=ONCE),
            "each row on one key": Case(shape=(4, 2, 5, 5), kind="one key", under=("eager",)),
            "eight layers": Case(shape=(8, 4, 6, 6), sums="any", under=("eager", "vmap")),
            "bfloat16": Case(shape=(3, 3, 7, 7), sums="any", dtype=ml_dtypes.bfloat16, under=VALUES),
        },
    ),
    Function(
        "mean_distance",
        weights_of,
        cases={
            "one head, two tokens": Case(shape=(1, 2, 2), under=ONCE, idle=LINEAR),
            "one head, each row on one key": Case(shape=(1, 4, 4), kind="one key", under=("eager",)),
            "later keys hidden": Case(shape=(2, 4, 4), kind="causal", under=ONCE, idle=LINEAR),
            "three heads": Case(shape=(3, 5, 5), idle=LINEAR),
            "every axis of length one": Case(shape=(1, 1, 1), sums="any", under=ONCE, idle=("weights",)),
            "one token, two heads": Case(shape=(2, 1, 1), under=("eager",), idle=("weights",)),
            "as many heads as tokens": Case(shape=(4, 4, 4), under=ONCE, idle=LINEAR),
            "rows of any sum": Case(shape=(2, 6, 6), sums="any", idle=LINEAR),
            "bfloat16": Case(shape=(2, 12, 12), sums="any", dtype=ml_dtypes.bfloat16, under=VALUES),
            "bfloat16, far away": Case(
                shape=(1, 320, 320), kind="the first keys", dtype=ml_dtypes.bfloat16, under=VALUES
            ),
        },
    ),
    Function(
        "induction_score",
        with_tokens,
        cases={
            "one token comes back": Case(heads=1, tokens=(5, 7, 5, 9), under=ONCE, idle=LINEAR),
            "two tokens come back": Case(heads=2, tokens=(1, 2, 3, 1, 2), under=ONCE, idle=LINEAR),
            "a token comes three times": Case(heads=2, tokens=(4, 9, 4, 2, 3, 4, 6), under=ONCE, idle=LINEAR),
            "a token follows itself": Case(heads=2, tokens=(3, 8, 8, 5), under=ONCE, idle=LINEAR),
            "no token comes back": Case(heads=3, tokens=(4, 1, 3, 2), idle=("weights",)),
            "every axis of length one": Case(heads=1, tokens=(6,), sums="any", under=ONCE, idle=("weights", "tokens")),
            "the last token is the first": Case(heads=3, tokens=(2, 7, 1, 7, 2), sums="any", under=ONCE, idle=LINEAR),
            "one token all along": Case(
                heads=4, tokens=(3, 3, 3, 3), sums="any", under=ONCE, idle=(*LINEAR, "tokens: zeros")
            ),
            "later keys hidden": Case(heads=2, tokens=(1, 2, 3, 1, 2, 3, 1, 2), kind="causal", under=("eager",)),
            "each row on one key": Case(heads=3, tokens=(6, 4, 6, 4, 5, 6, 4), kind="one key", under=("eager",)),
            "any int32": Case(heads=2, tokens=UNLIKELY, sums="any", under=ONCE, idle=LINEAR),
            "a few tokens again and again": Case(heads=3, length=11, vocabulary=4, sums="any", idle=LINEAR),
            "as many heads as tokens": Case(heads=6, length=6, vocabulary=3, under=("eager", "vmap")),
            "some sequences without a repetition": Case(
                heads=2, length=4, vocabulary=9, under=("vmap", "grad"), idle=LINEAR
            ),
            "bfloat16": Case(heads=3, length=14, vocabulary=3, sums="any", dtype=ml_dtypes.bfloat16, under=VALUES),
        },
    ),
]
