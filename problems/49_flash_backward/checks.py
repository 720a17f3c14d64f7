"""49 · The ladders of cases for `flash_forward` and `flash_attention`. Sources: Dao et al. 2022, algorithms 2 and 4;
Dao 2023."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Growth, Kept, Largest, Precision

PART = "Long sequences"


def inputs(
    rng,
    t_q,
    t_k,
    block_size,
    causal=None,
    d_k=8,
    d_v=5,
    lift=0.0,
    swing=0.0,
    rise=0.0,
    common=0.0,
    level=0.0,
    dtype=np.float32,
):
    """`causal` None leaves the argument out. `lift` is added to every score of the even queries and taken from those of
    the odd ones. With `swing` each pair of keys scores that much more than the one before for the even queries, and
    that much less for the odd ones; with `rise` that much more for all of them, and all scores are far below 0. All
    queries and keys have `common` as their first feature. The values are around `level`."""
    q, k, v = (rng.standard_normal(shape) for shape in ((t_q, d_k), (t_k, d_k), (t_k, d_v)))
    if lift or swing:
        q[:, 0], k[:, 0] = d_k**0.5 * (-1.0) ** np.arange(t_q), lift + swing * (np.arange(t_k) // 2)
    if rise:
        q[:, 0], k[:, 0] = d_k**0.5, rise * (np.arange(t_k) // 2 - t_k)
    if common:
        q[:, 0] = k[:, 0] = common
    arguments = dict(q=q.astype(dtype), k=k.astype(dtype), v=(level + v).astype(dtype), block_size=block_size)
    return arguments if causal is None else arguments | dict(causal=causal)


FORWARD = ("eager", "jit", "vmap")  # the gradient of `flash_forward` is not asked for
BOTH = ("eager", "grad")
BF16 = ml_dtypes.bfloat16
WIDE = dict(d_k=16, d_v=16)


def long(tokens, under=()):
    return Case(t_q=tokens, t_k=tokens, block_size=32, causal=True, **WIDE, under=under)


def length(t_k, **_):
    return t_k


def all_pairs(t_q, t_k, **_):
    return t_q * t_k


def inputs_output_and_a_number_a_row(t_q, t_k, block_size, d_k, d_v, **_):
    """Elements; of rows that were filled up to whole blocks, too."""
    t_q, t_k = (-(-t // block_size) * block_size for t in (t_q, t_k))
    return t_q * (d_k + d_v + 1) + t_k * (d_k + d_v)


# Far above every width and block. All but one are only traced: a loop that is unrolled in Python is compiled in full
# before anyone can say so.
LONGER, RAGGED = ["512 tokens", "1024 tokens", "4096 tokens"], ["515 tokens", "1027 tokens"]
NARROW, BROAD = "a thousand keys in blocks of 16", "a thousand keys in blocks of 32, the last one not full"
LONG = {
    NARROW: Case(t_q=512, t_k=1024, block_size=16, causal=True, **WIDE, under=()),
    BROAD: Case(t_q=512, t_k=1003, block_size=32, causal=True, **WIDE, under=()),
    **{f"{tokens} tokens": long(tokens) for tokens in (512, 1024, 4096, 515, 1027)},
}


def no_longer_program(name, cases, limit, under="jit"):
    program = "the gradient's program" if under == "grad" else "the program"
    return Growth(
        name,
        f"{program.capitalize()} must not grow with T_q and T_k.",
        cases,
        under=under,
        of="equations",
        exponent=0.0,
        length=length,
        limit=lambda **_: limit,
    )


def nothing_large(name, rule, case, under="jit"):
    return Largest(name, rule, [case], under=under, limit=all_pairs)


def largest_is_linear(name, under="jit"):
    """A few large pieces are each smaller than all pairs, and grow as they do."""
    program = "gradient's program" if under == "grad" else "program"
    return Growth(
        name,
        f"The largest array in the {program} may grow with the lengths, not with their product.",
        LONGER,
        under=under,
        of="largest",
        exponent=1.2,
        length=length,
        limit=all_pairs,
    )


def little_kept(name, case):
    return Kept(
        name,
        "Between the passes no more is kept than inputs, output and one number a row.",
        [case],
        limit=inputs_output_and_a_number_a_row,
    )


FLOAT32 = "Scores, weights and running sums are kept in float32."
NOTHING_LARGE = "Nothing of size T_q × T_k may exist in the gradient's program, not even a mask."

ENTRIES = [
    Function(
        "flash_forward",
        inputs,
        cases={
            "one block": Case(t_q=2, t_k=3, block_size=3, under=FORWARD),
            "two whole blocks": Case(t_q=4, t_k=6, block_size=3, under=("eager",)),
            "a last block that is not full": Case(t_q=3, t_k=8, block_size=3, under=FORWARD),
            "a block longer than the sequence": Case(t_q=3, t_k=4, block_size=11, causal=False, under=("eager",)),
            "large logits": Case(t_q=4, t_k=6, block_size=3, lift=200.0, under=("eager", "jit")),
            "scores that rise and fall by hundreds, pair by pair": Case(
                t_q=4, t_k=6, block_size=1, swing=150.0, under=("eager", "jit")
            ),
            "every score far below 0": Case(t_q=3, t_k=8, block_size=3, rise=40.0, under=("eager",)),
            "every axis of length one": Case(t_q=1, t_k=1, block_size=1, d_k=1, d_v=1, under=("eager", "jit")),
            "causal, fewer queries than keys": Case(t_q=3, t_k=8, block_size=3, causal=True, under=FORWARD),
            "causal, later keys score higher, by dozens": Case(
                t_q=4, t_k=4, block_size=2, causal=True, rise=40.0, under=("eager",)
            ),
            # A multiple of the block, so that a wrong answer for a dead row does not depend on how the last block is
            # filled up.
            "causal, more queries than keys": Case(t_q=7, t_k=4, block_size=2, causal=True, under=FORWARD),
            "bfloat16": Case(t_q=5, t_k=14, block_size=4, d_k=16, dtype=BF16, under=("eager", "jit")),
            "dozens of tokens, causal": Case(t_q=33, t_k=33, block_size=8, causal=True, d_k=16, d_v=6, under=FORWARD),
            **LONG,
            "512 tokens": long(512, ("jit",)),
        },
        proofs=[
            no_longer_program("the same program for more tokens", LONGER, 600),
            no_longer_program("the same program for more tokens, the last block not full", RAGGED, 900),
            nothing_large("nothing of size T_q × T_k", "Nothing of size T_q × T_k may exist, not even a mask.", NARROW),
            largest_is_linear("the largest array is linear"),
            Precision("float32 where it sums", FLOAT32, ["bfloat16"]),
        ],
        idle=("block_size",),
    ),
    Function(
        "flash_attention",
        inputs,
        cases={
            "one block": Case(t_q=2, t_k=3, block_size=3),
            "two whole blocks": Case(t_q=4, t_k=6, block_size=3, under=BOTH),
            "a last block that is not full": Case(t_q=3, t_k=8, block_size=3, under=("eager", "jit", "grad")),
            "a block longer than the sequence": Case(t_q=3, t_k=4, block_size=11, causal=False, under=BOTH),
            "values far from 0, more queries than keys": Case(t_q=7, t_k=5, block_size=3, level=8.0, under=BOTH),
            "every size the same": Case(t_q=4, t_k=4, block_size=4, d_k=4, d_v=4, under=BOTH),
            "large logits": Case(t_q=4, t_k=6, block_size=3, lift=200.0, under=BOTH),
            "scores that rise and fall by hundreds, pair by pair": Case(
                t_q=4, t_k=6, block_size=1, swing=150.0, under=("eager",)
            ),
            "every score far below 0, the last block not full": Case(t_q=3, t_k=8, block_size=3, rise=40.0, under=BOTH),
            "every axis of length one": Case(
                t_q=1, t_k=1, block_size=1, d_k=1, d_v=1, idle=("q", "k", "v under grad"), under=("jit", "grad")
            ),
            "causal, fewer queries than keys": Case(
                t_q=3, t_k=8, block_size=3, causal=True, under=("eager", "vmap", "grad")
            ),
            "causal, later keys score higher, by dozens": Case(
                t_q=4, t_k=4, block_size=2, causal=True, rise=40.0, under=BOTH
            ),
            "causal, more queries than keys": Case(t_q=7, t_k=4, block_size=2, causal=True, under=BOTH),
            "causal, more queries than keys, the last block not full": Case(
                t_q=7, t_k=5, block_size=2, causal=True, under=BOTH
            ),
            "bfloat16": Case(t_q=5, t_k=14, block_size=4, d_k=16, dtype=BF16, under=("jit", "grad")),
            # The values alone tell which number a row was rounded: with 8 bits a logarithm of 400 is off by up to 1.
            "bfloat16, every score in the hundreds": Case(
                t_q=5, t_k=14, block_size=4, d_k=16, common=40.0, dtype=BF16, under=("grad",)
            ),
            "dozens of tokens, causal": Case(
                t_q=33, t_k=33, block_size=8, causal=True, d_k=16, d_v=6, under=("jit", "vmap", "grad")
            ),
            **LONG,
            "512 tokens": long(512, ("grad",)),
        },
        proofs=[
            no_longer_program("the same program for more tokens", LONGER, 600),
            no_longer_program("the same gradient for more tokens", LONGER, 1500, "grad"),
            no_longer_program("the same gradient for more tokens, the last block not full", RAGGED, 2000, "grad"),
            # What a step of a loop keeps of the output has as many elements as all weights of its block only where the
            # block is no longer than a value: hence both.
            nothing_large("nothing of size T_q × T_k in the gradient", NOTHING_LARGE, NARROW, "grad"),
            nothing_large("nothing of size T_q × T_k in the gradient, in long blocks", NOTHING_LARGE, BROAD, "grad"),
            little_kept("little is kept", NARROW),
            little_kept("little is kept, in long blocks", BROAD),
            Growth(
                "what is kept is linear",
                "What is kept between the passes must be linear in T_q + T_k.",
                LONGER,
                under="grad",
                of="kept",
                exponent=1.05,
                length=length,
                limit=inputs_output_and_a_number_a_row,
            ),
            Precision("float32 where it sums", FLOAT32, ["bfloat16"]),
            Precision("float32 where the gradient sums", FLOAT32, ["bfloat16"], under="grad"),
            largest_is_linear("the gradient's largest array is linear", "grad"),
        ],
        idle=("block_size",),
    ),
]
