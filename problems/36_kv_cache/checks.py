"""36 · The ladder of cases for `CachedSelfAttention`. Source: Shazeer 2019, section 2.4, and Pope et al. 2022."""

import numpy as np

from grader.problem import Case, Module, ModuleInputs
from grader.proofs import Flops

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def inputs(rng, d_model, num_heads, max_len, steps=(), length=None, batch=(), gain=1.0, drive="by hand"):
    """One call of `length` tokens, or a call for each of `steps`. `gain` stretches queries and keys through their kernels, and so the
    scores by its square."""
    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    x = draw(*batch, length or sum(steps), d_model)
    if x.shape[-2] > 2:
        x[..., 1, :] = 0            # an embedding of zeros is a token like any other: zeros in a cache do not say that a slot is unused
    size = {name: (gain if name in ("q_proj", "k_proj") else 1.0) / d_model ** 0.5 for name in PROJECTIONS}
    params = {f"{name}.kernel": (draw(d_model, d_model) * size[name]).astype(np.float32) for name in PROJECTIONS}
    return ModuleInputs(init=dict(d_model=d_model, num_heads=num_heads, max_len=max_len), params=params, call=dict(x=x),
                        steps=steps, drive=drive)


SMALL = dict(d_model=6, num_heads=2)
WIDE = dict(d_model=12, num_heads=3, max_len=9)       # never full: 7 tokens or fewer

ENTRIES = [
    Module("CachedSelfAttention", inputs, cases={
        "one token": Case(**SMALL, max_len=1, length=1),
        "all at once": Case(**SMALL, max_len=5, length=5),
        "token by token": Case(**SMALL, max_len=4, steps=(1, 1, 1, 1)),
        "in chunks": Case(**SMALL, max_len=6, steps=(2, 3, 1), under=("eager",)),
        "a prompt and single tokens, the cache not full": Case(**WIDE, steps=(4, 1, 1)),
        "large logits, the cache not full": Case(**WIDE, steps=(1, 3, 2), gain=12.0, under=("eager",)),
        "in steps of nnx.jit": Case(**WIDE, steps=(3, 1, 1), drive="nnx.jit", under=("eager",)),
        "in steps of jax.jit, the state passed along": Case(**WIDE, steps=(2, 1, 1), drive="jax.jit", under=("eager",)),
        "as the body of a lax.scan": Case(**WIDE, steps=(2, 2, 2), drive="lax.scan", under=("eager",)),
        "a batch by jax.vmap": Case(**WIDE, steps=(2, 1), batch=(3,), drive="jax.vmap", under=("eager",)),
        "two tokens, room for many": Case(d_model=8, num_heads=2, max_len=64, steps=(1, 1), under=("jit",)),
    }, given=("k_cache", "v_cache", "pos"), proofs=[
        # Four projections of a token, its products with max_len keys and values, and as much again for other ways to write and to read.
        Flops("a step costs no more than its token", "A step projects its own token and attends from it, whatever the cache holds.", ["two tokens, room for many"],
              limit=lambda d_model, max_len, steps, **_: 2 * len(steps) * (8 * d_model ** 2 + 4 * max_len * d_model)),
    ]),
]
