"""40 · The ladder of cases for `tiled_attention`, in interpret mode. Source: Dao et al. 2022, algorithm 1."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Kernel, Largest, Lowers, Precision, Races, Relation

PART = "The core"
DTYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}


def inputs(rng, heads, t_q, t_k, width=8, lift=0.0, rise=0.0, dtype="float32", **options):
    """`lift` is added to every score of the even queries and taken from those of the odd ones. With `rise` each group of four keys scores that much more
    than the one before, and all of them are far below 0. `options` are the blocks and `causal`."""
    def draw(length):
        return rng.standard_normal((heads, length, width)).astype(DTYPES[dtype])

    q, k, v = draw(t_q), draw(t_k), draw(t_k)
    if lift:
        q[..., 0], k[..., 0] = width ** 0.5 * (-1.0) ** np.arange(t_q), lift
    if rise:
        q[..., 0], k[..., 0] = width ** 0.5, rise * (np.arange(t_k) // 4 - t_k)
    return dict(q=q, k=k, v=v, **options, interpret=True)


def case(**sizes):
    """Without `grad`: a kernel has no gradient unless it is given a rule of its own."""
    return Case(under=("eager", "jit", "vmap"), **sizes)


def poison_later_blocks(rng, inputs):
    """NaN in every key and value from a block on, which the mask hides from all queries of the blocks before."""
    for start in range(inputs["block_k"], inputs["k"].shape[1], inputs["block_k"]):
        k, v = inputs["k"].copy(), inputs["v"].copy()
        k[:, start:], v[:, start:] = np.nan, np.nan
        yield f"keys and values from {start} on are NaN", inputs | dict(k=k, v=v)


def earlier_rows_changed(arrays, output, label, changed_arrays, changed_output):
    """Each query that stands before the first NaN, where the output is another one. Blocks of queries and of keys are equally long."""
    earlier = np.arange(output.shape[1]) < np.argmax(np.isnan(changed_arrays["k"][0, :, 0]))
    return earlier & (output != changed_output).any(axis=(0, 2))


# Heads and query blocks are never equally many where there are several, or axes of the grid could be swapped unseen.
ENTRIES = [
    Function("tiled_attention", inputs, cases={
        "one block": case(heads=1, t_q=8, t_k=8, block_q=8, block_k=8),
        "several key blocks": case(heads=1, t_q=8, t_k=24, block_q=8, block_k=8),
        "several heads and query blocks": case(heads=3, t_q=16, t_k=24, width=12, block_q=8, block_k=8),
        "lengths that are no multiple of the blocks": case(heads=2, t_q=21, t_k=37, block_q=8, block_k=16),
        "default blocks, longer than the sequences": case(heads=2, t_q=5, t_k=7),
        "large logits": case(heads=2, t_q=5, t_k=21, lift=200.0, block_q=8, block_k=8),
        "every axis of length one": case(heads=1, t_q=1, t_k=1, width=1, block_q=8, block_k=8, idle=("q", "k")),
        "causal, as many queries as keys": case(heads=2, t_q=24, t_k=24, block_q=8, block_k=8, causal=True),
        "causal, later keys score higher, by hundreds": case(heads=2, t_q=16, t_k=16, block_q=8, block_k=8, causal=True, rise=150.0),
        "causal, fewer queries than keys": case(heads=2, t_q=21, t_k=37, block_q=8, block_k=16, causal=True),
        "causal, more queries than keys": case(heads=2, t_q=37, t_k=19, block_q=16, block_k=8, causal=True),
        "bfloat16": case(heads=3, t_q=21, t_k=37, width=16, dtype="bfloat16", block_q=16, block_k=8, causal=True),
        # Blocks that no one has reason to round up, so that the grid can be counted.
        "blocks of 128": Case(heads=3, t_q=256, t_k=384, block_q=128, block_k=128, causal=True, under=("jit",)),
        # A block of queries with all keys is more than all keys with a width that was rounded up to 128.
        "a thousand keys": Case(heads=1, t_q=512, t_k=1024, block_q=256, block_k=32, under=("jit",)),
        "for a device, bfloat16": Case(heads=2, t_q=1000, t_k=1000, width=64, dtype="bfloat16", causal=True, under=()),
        "for a device, float32": Case(heads=2, t_q=100, t_k=300, width=128, under=()),
    }, proofs=[
        Kernel("one kernel does the work", "One `pallas_call` does the work.", ["blocks of 128"],
               grid=lambda heads, t_q, block_q, **_: heads * t_q // block_q),
        Largest("nothing of size T_q × T_k", "Nothing of size T_q × T_k may exist.", ["a thousand keys"], limit=lambda t_q, t_k, **_: t_q * t_k),
        Largest("one tile at a time", "The kernel loops over blocks of keys: nothing in it may be as large as a block of queries times all keys.",
                ["a thousand keys"], limit=lambda block_q, t_k, **_: block_q * t_k),
        Precision("float32 where it sums", "Scores, softmax and running sums are kept in float32.", ["bfloat16"]),
        *[Lowers(f"lowers for the {platform.upper()}, {dtype}", f"The kernel has to lower for the {platform.upper()}.", [f"for a device, {dtype}"], platform=platform)
          for platform in ("tpu", "gpu") for dtype in ("bfloat16", "float32")],
        Races("nothing out of bounds, no races", "On a TPU no step may read outside of its arrays, and on no device may steps race.",
              ["lengths that are no multiple of the blocks"]),
        Races("nothing out of bounds under the mask", "Where the causal mask ends the loop, no step may read outside of its arrays either.",
              ["causal, fewer queries than keys"]),
    ], idle=("block_q", "block_k", "interpret"), relations=[
        Relation("masked blocks are not read", "A key block that the causal mask hides from every query of a block is not read for it.",
                 poison_later_blocks, earlier_rows_changed, "causal, as many queries as keys", under=("jit",)),
    ]),
]

# Sizes for an accelerator: those that a verdict shows, the whole table, and tiny ones for trying the command without any.
DEVICE = {
    "short": [dict(heads=16, t_q=4096, t_k=4096, width=128, dtype=dtype, causal=causal) for dtype in ("float32", "bfloat16") for causal in (False, True)],
    "table": [dict(heads=16, t_q=length, t_k=length, width=width, dtype=dtype, causal=causal)
              for dtype in ("float32", "bfloat16") for width in (64, 128) for length in (1024, 2048, 4096, 8192, 16384) for causal in (False, True)],
    "interpret": [dict(heads=2, t_q=40, t_k=40, width=8, dtype=dtype, causal=True, block_q=16, block_k=16) for dtype in ("float32", "bfloat16")],
}
