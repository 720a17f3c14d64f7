"""54 · The ladder of cases for `LowRankAttention`. Source: Wang et al. 2020, section 4."""

import ml_dtypes
import numpy as np

from grader.course import Case, Largest, Module, ModuleInputs

PART = "Long sequences"
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def inputs(rng, d_model, num_heads, max_len, rank, length, batch=(), gain=1.0, lift=0.0, dtype=np.float32):
    """`gain` stretches queries and keys, and so the scores by its square. `lift` is added to every score of the even
    queries and taken from those of the odd ones."""

    def draw(*shape):
        return rng.standard_normal(shape)

    x = draw(*batch, length, d_model)
    # A projection keeps the size of its input. So does a kernel along time, for the tokens that are there: its other
    # rows are as large, and a sequence that uses them shows it.
    stretched = dict(q_proj=gain, k_proj=gain)
    params = {
        f"{name}.kernel": draw(d_model, d_model) * stretched.get(name, 1.0) / d_model**0.5 for name in PROJECTIONS
    }
    params |= {f"{name}.kernel": draw(max_len, rank) / length**0.5 for name in ("k_down", "v_down")}
    if lift:
        _lift(x, params, d_model // num_heads, lift)
    return ModuleInputs(
        init=dict(d_model=d_model, num_heads=num_heads, max_len=max_len, rank=rank),
        params={name: array.astype(dtype) for name, array in params.items()},
        call=dict(x=x.astype(dtype)),
    )


def _lift(x, params, width, lift):
    """The first feature of each head is ±sqrt(H) in a query and `lift` in every key, by the first two features of a
    token alone; and since a column of the kernel sums to 1, it is `lift` in every row that keys are brought to."""
    x[..., 0], x[..., 1] = (-1.0) ** np.arange(x.shape[-2]), 1.0
    for name, row, height in (("q_proj.kernel", 0, width**0.5), ("k_proj.kernel", 1, lift)):
        params[name][:2], params[name][:, ::width] = 0.0, 0.0
        params[name][row, ::width] = height
    kernel = params["k_down.kernel"][: x.shape[-2]]
    kernel += (1 - kernel.sum(axis=0)) / len(kernel)


# No size is equal to another by chance: heads of 4 features, 5 rows, 7 tokens or 6 of at most 9.
WIDE = dict(d_model=12, num_heads=3, rank=5)
# With one row there is nothing to choose: every weight is 1.
UNSEEN = ("q_proj.kernel", "k_proj.kernel", "k_down.kernel")

ENTRIES = [
    Module(
        "LowRankAttention",
        inputs,
        cases={
            "one token, two rows": Case(d_model=6, num_heads=2, max_len=1, rank=2, length=1),
            "one head, as long as it may be": Case(
                d_model=6, num_heads=1, max_len=5, rank=3, length=5, under=("eager", "grad")
            ),
            "several heads": Case(**WIDE, max_len=7, length=7),
            "a shorter sequence": Case(**WIDE, max_len=9, length=6),
            "one token, room for many": Case(**WIDE, max_len=9, length=1, under=("eager", "grad")),
            "large logits": Case(**WIDE, max_len=9, length=6, gain=12.0, under=("eager", "grad")),
            "scores of every second query hundreds below the others": Case(
                **WIDE, max_len=9, length=6, lift=200.0, under=("eager",)
            ),
            "more rows than tokens": Case(d_model=6, num_heads=2, max_len=5, rank=7, length=4, under=("eager", "grad")),
            "a single row": Case(d_model=6, num_heads=2, max_len=5, rank=1, length=4, idle=UNSEEN, under=("eager",)),
            "as many rows as tokens and features": Case(
                d_model=6, num_heads=2, max_len=6, rank=6, length=6, under=("eager",)
            ),
            "one batch dimension": Case(**WIDE, max_len=9, length=6, batch=(2,), under=("eager",)),
            "two batch dimensions": Case(
                d_model=20, num_heads=4, max_len=11, rank=6, length=8, batch=(2, 3), under=("eager", "vmap")
            ),
            "every axis of length one": Case(
                d_model=1, num_heads=1, max_len=1, rank=1, length=1, batch=(1,), idle=UNSEEN, under=("eager", "grad")
            ),
            "bfloat16": Case(
                d_model=16,
                num_heads=2,
                max_len=12,
                rank=5,
                length=10,
                dtype=ml_dtypes.bfloat16,
                under=("eager", "jit"),
            ),
            # Far above every width, and heads times rows far below. What is proved of this program is proved of a
            # program whose values are compared.
            "hundreds of tokens": Case(d_model=8, num_heads=4, max_len=200, rank=5, length=190, under=("jit",)),
        },
        proofs=[
            Largest(
                "nothing of size T × T",
                "Nothing of size T × T may exist, in no order of the products.",
                ["hundreds of tokens"],
                limit=lambda length, **_: length**2,
            ),
        ],
    ),
]
