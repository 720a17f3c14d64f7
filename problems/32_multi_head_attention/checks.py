"""32 · The ladder of cases for `MultiHeadAttention`. Source: Vaswani et al. 2017, section 3.2.2."""

import ml_dtypes
import numpy as np

from grader.course import Case, Module, ModuleInputs

PART = "The core"
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def inputs(rng, d_model, num_heads, length, batch=(), gain=1.0, refused=False, dtype=np.float32):
    """`gain` stretches queries and keys through their kernels, and so the scores by its square; a `refused` module has
    no parameters."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    x = draw(*batch, length, d_model)
    # A kernel is square, so only its values tell x @ W from x @ W.T; at this size a projection keeps the size of its
    # input.
    params = {
        f"{name}.kernel": (
            draw(d_model, d_model) * (gain if name in ("q_proj", "k_proj") else 1.0) / d_model**0.5
        ).astype(dtype)
        for name in PROJECTIONS
    }
    return ModuleInputs(
        init=dict(d_model=d_model, num_heads=num_heads), params={} if refused else params, call=dict(x=x.astype(dtype))
    )


ENTRIES = [
    Module(
        "MultiHeadAttention",
        inputs,
        cases={
            "one token": Case(d_model=8, num_heads=2, length=1, idle=("q_proj.kernel", "k_proj.kernel")),
            "one head": Case(d_model=8, num_heads=1, length=4),
            "several heads": Case(d_model=12, num_heads=3, length=5),
            "large logits": Case(d_model=12, num_heads=3, length=5, gain=12.0),
            "one batch dimension": Case(d_model=12, num_heads=3, length=5, batch=(2,)),
            "two batch dimensions": Case(d_model=20, num_heads=4, length=9, batch=(2, 3)),
            "every axis of length one": Case(
                d_model=1, num_heads=1, length=1, batch=(1,), idle=("q_proj.kernel", "k_proj.kernel")
            ),
            "bfloat16": Case(d_model=12, num_heads=3, length=5, dtype=ml_dtypes.bfloat16, under=("eager",)),
            "a width that the heads do not divide": Case(
                d_model=8, num_heads=3, length=2, refused=True, raises="ValueError", under=("eager",)
            ),
        },
    ),
]
