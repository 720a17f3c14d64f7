"""36 · The ladder of cases for `CachedSelfAttention`. Source: Shazeer 2019, section 2.4, and Pope et al. 2022."""

import numpy as np

from grader.course import Case, Flops, Module, ModuleInputs

PART = "The core"
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def inputs(rng, d_model, num_heads, max_len, steps=(), length=None, batch=(), lift=None, rise=0.0, drive="by hand"):
    """One call of `length` tokens, or a call for each of `steps`. `lift` is added to every score of the even queries
    and taken from those of the odd ones; an empty slot scores 0. With `rise` each pair of keys scores that much more
    than the one before, for every query."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    x = draw(*batch, length or sum(steps), d_model)
    if x.shape[-2] > 2 and lift is None:
        # an embedding of zeros is a token like any other: zeros in a cache do not say that a slot is unused
        x[..., 1, :] = 0
    params = {f"{name}.kernel": (draw(d_model, d_model) / d_model**0.5).astype(np.float32) for name in PROJECTIONS}
    if lift is not None:
        # The first feature of each head of a query is ±sqrt(H), that of a key its height: by the first two features of
        # a token, and nothing else.
        width, places = d_model // num_heads, np.arange(x.shape[-2])
        x[..., 0], x[..., 1] = np.where(places % 2 * (not rise), -1.0, 1.0), 1.0 + rise * (places // 2) / lift
        for name, row, height in (("q_proj.kernel", 0, width**0.5), ("k_proj.kernel", 1, lift)):
            params[name][:2], params[name][:, ::width] = 0.0, 0.0
            params[name][row, ::width] = height
    return ModuleInputs(
        init=dict(d_model=d_model, num_heads=num_heads, max_len=max_len),
        params=params,
        call=dict(x=x),
        steps=steps,
        drive=drive,
    )


SMALL = dict(d_model=6, num_heads=2)
WIDE = dict(d_model=12, num_heads=3, max_len=9)  # never full: 7 tokens or fewer

ENTRIES = [
    Module(
        "CachedSelfAttention",
        inputs,
        cases={
            "one token": Case(**SMALL, max_len=1, length=1, idle=("q_proj.kernel",)),
            "all at once": Case(**SMALL, max_len=5, length=5),
            "token by token": Case(**SMALL, max_len=4, steps=(1, 1, 1, 1)),
            "in chunks": Case(**SMALL, max_len=6, steps=(2, 3, 1), under=("eager",)),
            "a prompt and single tokens, the cache not full": Case(**WIDE, steps=(4, 1, 1)),
            "large logits, the cache not full": Case(**WIDE, steps=(4, 1, 1), lift=200.0, under=("eager", "grad")),
            "later tokens score higher, by hundreds, the cache not full": Case(
                **WIDE, steps=(4, 1, 1), lift=-900.0, rise=150.0, under=("eager",)
            ),
            "every axis of length one": Case(d_model=1, num_heads=1, max_len=1, length=1, idle=("q_proj.kernel",)),
            "in steps of nnx.jit": Case(**WIDE, steps=(3, 1, 1), drive="nnx.jit", under=("eager",)),
            "in steps of jax.jit, the state passed along": Case(
                **WIDE, steps=(2, 1, 1), drive="jax.jit", under=("eager",)
            ),
            "as the body of a lax.scan": Case(**WIDE, steps=(2, 2, 2), drive="lax.scan", under=("eager",)),
            "a batch by jax.vmap": Case(**WIDE, steps=(2, 1), batch=(3,), drive="jax.vmap", under=("eager",)),
            "two tokens, room for many": Case(d_model=8, num_heads=2, max_len=64, steps=(1, 1), under=("jit",)),
        },
        given=("k_cache", "v_cache", "pos"),
        proofs=[
            # Four projections of a token, its products with max_len keys and values, a softmax, and as much again for
            # other ways to write and to read.
            Flops(
                "a step costs no more than its token",
                "A step projects its own token and attends from it, whatever the cache holds.",
                ["two tokens, room for many"],
                limit=lambda d_model, max_len, steps, **_: 2 * len(steps) * (8 * d_model**2 + 8 * max_len * d_model),
            ),
        ],
    ),
]
