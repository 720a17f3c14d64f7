"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    length, window, sinks, heads, width, base, blocks, ring, rounds, room, before = rng.integers(
        [25, 5, 2, 2, 3, 500, 20, 3, 6, 60, 10**8], [50, 12, 8, 5, 8, 560, 28, 6, 12, 90, 2 * 10**9]
    ).tolist()
    wide = dict(window=8, sinks=3, heads=2, head_dim=4)
    like = dict(under=("jit",))
    small = dict(d_model=heads * width, num_heads=heads)
    return {
        "sliding_window_attention": {
            "sizes of this class": Case(length=length, window=window, sinks=sinks, heads=heads, head_dim=width),
            "a window of this class, beyond the length": Case(
                length=window, window=length, sinks=sinks, heads=heads, head_dim=width, idle=("sinks",), under=("jit",)
            ),
            "sinks of this class, beyond the length": Case(
                length=sinks + 3, window=2, sinks=length, heads=heads, head_dim=width, idle=("window",), under=("jit",)
            ),
            "whole windows of this class": Case(length=16 * blocks, **wide, **like, like="512 tokens"),
            "twice as many of them": Case(length=32 * blocks, **wide, under=(), like="1024 tokens"),
            "the same with a window of 16": Case(
                length=32 * blocks, **wide | dict(window=16), under=(), like="1024 tokens, a window of 16"
            ),
            "a length of this class": Case(length=base, **wide, **like, like="509 tokens"),
            "twice that length": Case(length=2 * base, **wide, under=(), like="1018 tokens"),
            "few tokens, a window far beyond": Case(
                length=base // 8,
                **wide | dict(window=base << 5),
                under=(),
                like="64 tokens, a window far beyond",
            ),
            "few tokens, sinks far beyond": Case(
                length=base // 8, **wide | dict(sinks=base << 5), under=(), like="64 tokens, sinks far beyond"
            ),
            "bfloat16 at sizes of this class": Case(
                length=length,
                window=window,
                sinks=sinks,
                heads=heads,
                head_dim=16,
                dtype=ml_dtypes.bfloat16,
                under=("jit",),
                like="bfloat16",
            ),
        },
        "RollingCacheAttention": {
            "sizes of this class": Case(**small, window=ring, count=rounds + 2),
            "a window of this class that is not full": Case(**small, window=rounds + 4, count=rounds, under=("jit",)),
            "after as many tokens as this class says": Case(
                **small, window=ring, count=rounds, before=before, driver="after_many", under=("jit",)
            ),
            "a long window of this class": Case(
                **small, window=room, count=2, under=("jit",), like="two tokens, a long window"
            ),
        },
    }
