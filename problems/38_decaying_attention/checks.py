"""38 · The ladder of cases for `distance_bias`, `biased_attention` and `DecayingAttention`. Source: Press et al. 2022,
section 3, with a learned slope."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Module, ModuleInputs

PART = "The core"


def lengths(rng, t_q, t_k):
    return dict(t_q=t_q, t_k=t_k)


def inputs(rng, t_q, t_k, d_k=8, d_v=4, batch=(), lift=0.0, dtype=np.float32, unlike=None):
    """`lift` is added to every score of the even queries and taken from those of the odd ones, which changes no weight;
    `unlike` gives some arrays another shape, for calls to be refused."""
    shapes = dict(q=(*batch, t_q, d_k), k=(*batch, t_k, d_k), v=(*batch, t_k, d_v)) | (unlike or {})
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    if lift:
        arrays["q"][..., 0], arrays["k"][..., 0] = (-1.0) ** np.arange(t_q), lift
    return {name: array.astype(dtype) for name, array in arrays.items()}


def head_inputs(rng, num_heads, length, head_dim=4, batch=(), rise=0.0, fast=0.0, **causal):
    """Each head has a decay of its own, around exp(`fast`). With `rise` each pair of keys scores that much more than
    the one before, and all of them are far below 0. `causal` is left out of the call where a case does not give it."""

    def draw(*shape):
        return rng.standard_normal(shape)

    log_alpha = fast + draw(num_heads)
    call = {name: draw(*batch, length, num_heads, head_dim).astype(np.float32) for name in "qkv"}
    if rise:
        call["q"][..., 0], call["k"][..., 0] = head_dim**0.5, rise * (np.arange(length) // 2 - length)[:, None]
    return ModuleInputs(
        init=dict(num_heads=num_heads), params=dict(log_alpha=log_alpha.astype(np.float32)), call=call | causal
    )


# Short, since far keys win here and a half-precision score of a far key has few digits left of what was said about its
# content.
HALF = dict(t_q=4, t_k=6)

ENTRIES = [
    Function(
        "distance_bias",
        lengths,
        cases={
            "one token": Case(t_q=1, t_k=1),
            "as many queries as keys": Case(t_q=3, t_k=3),
            "one query": Case(t_q=1, t_k=5),
            "fewer queries than keys": Case(t_q=3, t_k=5),
            "more queries than keys": Case(t_q=5, t_k=3),
            "hundreds of keys": Case(t_q=7, t_k=301),
        },
    ),
    Function(
        "biased_attention",
        inputs,
        cases={
            "one key": Case(t_q=1, t_k=1, idle=("q", "k", "v under grad")),
            "one query": Case(t_q=1, t_k=4, under=("eager", "jit")),
            "unequal lengths": Case(t_q=5, t_k=3),
            "a batch": Case(t_q=3, t_k=5, batch=(2,)),
            "bfloat16": Case(**HALF, dtype=ml_dtypes.bfloat16),
            "float16, a batch": Case(**HALF, batch=(2,), dtype=np.float16),
            "large logits": Case(t_q=5, t_k=3, lift=200.0),
            "keys farther than 88": Case(t_q=2, t_k=120, under=("eager", "jit")),
            "dozens of keys, a batch": Case(t_q=4, t_k=25, d_k=16, d_v=6, batch=(3,)),
            "every axis of length one": Case(t_q=1, t_k=1, batch=(1,), d_k=1, d_v=1, idle=("q", "k", "v under grad")),
            "widths that differ": Case(t_q=3, t_k=4, unlike=dict(k=(4, 6)), raises="ValueError", under=("eager",)),
            "batch sizes that differ": Case(
                t_q=3, t_k=4, batch=(3,), unlike=dict(q=(2, 3, 8)), raises="ValueError", under=("eager",)
            ),
            "one sequence of queries against three": Case(
                t_q=3, t_k=4, batch=(3,), unlike=dict(q=(1, 3, 8)), raises="ValueError", under=("eager",)
            ),
            "three sequences of queries against one": Case(
                t_q=3, t_k=4, batch=(1,), unlike=dict(q=(3, 3, 8)), raises="ValueError", under=("eager",)
            ),
            "values of one sequence for three": Case(
                t_q=3, t_k=4, batch=(3,), unlike=dict(v=(1, 4, 4)), raises="ValueError", under=("eager",)
            ),
        },
    ),
    Module(
        "DecayingAttention",
        head_inputs,
        cases={
            "one token": Case(num_heads=2, length=1, idle=("q", "k", "log_alpha", "v under grad")),
            "one head": Case(num_heads=1, length=4, head_dim=8),
            "several heads": Case(num_heads=3, length=5, head_dim=8),
            "several heads, causal": Case(num_heads=3, length=5, head_dim=8, causal=True),
            "every axis of length one": Case(
                num_heads=1, length=1, head_dim=1, batch=(1,), idle=("q", "k", "log_alpha", "v under grad")
            ),
            "as many tokens as heads": Case(num_heads=4, length=4, under=("eager", "jit")),
            "causal, later keys score higher, by hundreds": Case(num_heads=3, length=5, rise=150.0, causal=True),
            "a decay that leaves the token itself and little else": Case(num_heads=3, length=5, fast=1.0),
            "one batch dimension, causal": Case(num_heads=3, length=6, batch=(2,), causal=True),
            "two batch dimensions": Case(num_heads=5, length=11, head_dim=6, batch=(2, 3), causal=False),
        },
        given=("log_alpha",),
    ),
]
