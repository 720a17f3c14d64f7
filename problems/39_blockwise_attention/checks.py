"""39 · The ladder of cases for `blockwise_attention`. Sources: Milakov and Gimelshein 2018; Rabe and Staats 2021; Dao
et al. 2022."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Growth, Largest, Precision

PART = "The core"


def inputs(rng, t_q, t_k, block_size, causal=None, d_k=8, d_v=4, lift=0.0, swing=0.0, rise=0.0, dtype=np.float32):
    """`causal` None leaves the argument out. `lift` is added to every score of the even queries and taken from those of
    the odd ones. With `swing` each pair of keys scores that much more than the one before for the even queries, and
    that much less for the odd ones; with `rise` that much more for all of them, and all scores are far below 0."""
    q, k, v = (rng.standard_normal(shape) for shape in ((t_q, d_k), (t_k, d_k), (t_k, d_v)))
    if lift:
        # shared by both: a gradient is a sum that cancels, of numbers as large as what the other side has
        q[:, 0], k[:, 0] = (lift * d_k**0.5) ** 0.5 * (-1.0) ** np.arange(t_q), (lift * d_k**0.5) ** 0.5
    if swing:
        q[:, 0], k[:, 0] = d_k**0.5 * (-1.0) ** np.arange(t_q), swing * (np.arange(t_k) // 2)
    if rise:
        q[:, 0], k[:, 0] = d_k**0.5, rise * (np.arange(t_k) // 2 - t_k)
    arguments = dict(q=q.astype(dtype), k=k.astype(dtype), v=v.astype(dtype), block_size=block_size)
    return arguments if causal is None else arguments | dict(causal=causal)


# The last one is only traced and compiled. What grows as its square is far above the limits there, whatever is done at
# the others.
LONGER = ["512 tokens", "1024 tokens", "4096 tokens"]

# Few blocks in each case: a loop that is unrolled in Python is compiled in full before anyone can say so.
ENTRIES = [
    Function(
        "blockwise_attention",
        inputs,
        cases={
            "one block": Case(t_q=2, t_k=3, block_size=3),
            "two whole blocks": Case(t_q=3, t_k=6, block_size=3),
            "a last block that is not full": Case(t_q=3, t_k=7, block_size=3),
            "a block longer than the sequence": Case(t_q=3, t_k=4, block_size=11, causal=False),
            "large logits": Case(t_q=4, t_k=6, block_size=3, lift=200.0),
            "scores that rise and fall by hundreds, pair by pair": Case(
                t_q=4, t_k=6, block_size=1, swing=150.0, under=("eager", "jit", "vmap")
            ),
            "every axis of length one": Case(t_q=1, t_k=1, block_size=1, d_k=1, d_v=1, idle=("q", "k", "v under grad")),
            "causal, fewer queries than keys": Case(t_q=3, t_k=8, block_size=3, causal=True),
            "causal, later keys score higher, by hundreds": Case(t_q=4, t_k=4, block_size=2, causal=True, rise=150.0),
            # A multiple of the block, so that a wrong answer for a dead row does not depend on how the last block is
            # filled up.
            "causal, more queries than keys": Case(t_q=7, t_k=4, block_size=2, causal=True),
            "bfloat16": Case(t_q=5, t_k=14, block_size=4, d_k=16, dtype=ml_dtypes.bfloat16),
            "dozens of tokens, causal": Case(t_q=33, t_k=33, block_size=8, causal=True, d_k=16, d_v=6),
            # Far above every width and block. What is proved of these programs is proved of programs whose values are
            # compared.
            "a thousand keys in small blocks": Case(
                t_q=512, t_k=1024, block_size=8, causal=True, d_k=16, d_v=16, under=("jit",)
            ),
            "512 tokens": Case(t_q=512, t_k=512, block_size=64, causal=True, d_k=16, d_v=16, under=("jit",)),
            "1024 tokens": Case(t_q=1024, t_k=1024, block_size=64, causal=True, d_k=16, d_v=16, under=("jit",)),
            "4096 tokens": Case(t_q=4096, t_k=4096, block_size=64, causal=True, d_k=16, d_v=16, under=()),
        },
        proofs=[
            Growth(
                "the same program for more keys",
                "The program must not grow with T_k.",
                LONGER,
                of="equations",
                exponent=0.0,
                length=lambda t_k, **_: t_k,
                limit=lambda **_: 600,
            ),
            Largest(
                "nothing of size T_q × T_k",
                "Nothing of size T_q × T_k may exist, not even a mask.",
                ["a thousand keys in small blocks"],
                limit=lambda t_q, t_k, **_: t_q * t_k,
            ),
            Precision("float32 where it sums", "Scores, softmax and running sums are kept in float32.", ["bfloat16"]),
            Growth(
                "compiled, no more than linear memory",
                "Compiled, the program's memory may grow with the length, not with its square.",
                LONGER,
                of="memory",
                exponent=1.5,
                length=lambda t_k, **_: t_k,
                limit=lambda t_q, block_size, d_k, d_v, **_: 24 * t_q * (block_size + d_k + d_v),
            ),
        ],
        idle=("block_size",),
    ),
]
