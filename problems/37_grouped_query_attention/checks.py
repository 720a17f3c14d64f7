"""37 · The ladder of cases for `GroupedQueryAttention`. Sources: Ainslie et al. 2023; Shazeer 2019."""

import math

import ml_dtypes
import numpy as np

from grader.course import Case, Copies, Module, ModuleInputs

PART = "The core"


def inputs(rng, d_model, num_heads, num_kv_heads, length, batch=(), gain=1.0, refused=False, dtype=np.float32):
    """`gain` stretches queries and keys through their kernels, and so the scores by its square; a `refused` module has
    no parameters."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    x = draw(*batch, length, d_model)
    shared = d_model // num_heads * num_kv_heads
    widths = dict(q_proj=d_model, k_proj=shared, v_proj=shared, o_proj=d_model)
    # At this size a projection keeps the size of its input.
    params = {
        f"{name}.kernel": (
            draw(d_model, width) * (gain if name in ("q_proj", "k_proj") else 1.0) / d_model**0.5
        ).astype(dtype)
        for name, width in widths.items()
    }
    return ModuleInputs(
        init=dict(d_model=d_model, num_heads=num_heads, num_kv_heads=num_kv_heads),
        params={} if refused else params,
        call=dict(x=x.astype(dtype)),
    )


# With 6 query heads and 3 key/value heads, n // 2, n % 3, n // 3 and n % 2 are four different lists; with 2 key/value
# heads they are again.
PAIRS = dict(d_model=24, num_heads=6, num_kv_heads=3)
TRIPLES = dict(d_model=24, num_heads=6, num_kv_heads=2)

ENTRIES = [
    Module(
        "GroupedQueryAttention",
        inputs,
        cases={
            # every weight is 1: what is left is who reads whose values
            "one token": Case(**PAIRS, length=1, idle=("q_proj.kernel", "k_proj.kernel")),
            "as many key/value heads as query heads": Case(d_model=12, num_heads=3, num_kv_heads=3, length=5),
            "one key/value head": Case(d_model=12, num_heads=3, num_kv_heads=1, length=5),
            "groups of two": Case(**PAIRS, length=5),
            "groups of three": Case(**TRIPLES, length=5),
            "large logits": Case(**PAIRS, length=5, gain=12.0),
            "one batch dimension": Case(**TRIPLES, length=7, batch=(5,)),
            "two batch dimensions": Case(d_model=60, num_heads=12, num_kv_heads=4, length=11, batch=(2, 7)),
            "every axis of length one": Case(
                d_model=1, num_heads=1, num_kv_heads=1, length=1, batch=(1,), idle=("q_proj.kernel", "k_proj.kernel")
            ),
            "bfloat16": Case(**TRIPLES, length=5, dtype=ml_dtypes.bfloat16, under=("eager",)),
            "heads that do not make equal groups": Case(
                d_model=12, num_heads=4, num_kv_heads=3, length=2, refused=True, raises="ValueError", under=("eager",)
            ),
        },
        proofs=[
            Copies(
                "keys and values are not copied",
                "Keys and values are never copied out to the query heads.",
                ["two batch dimensions"],
                groups=[("x", "k_proj.kernel"), ("x", "v_proj.kernel")],
                limit=lambda d_model, num_heads, num_kv_heads, length, batch: (
                    math.prod(batch) * length * num_kv_heads * d_model // num_heads
                ),
            ),
        ],
    ),
]
