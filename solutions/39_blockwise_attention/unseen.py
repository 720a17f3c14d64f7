"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, t_k, block, d_k, queries, keys, half, base, wide = rng.integers(
        [3, 30, 5, 9, 300, 800, 9, 200, 33], [6, 46, 9, 33, 500, 1200, 30, 300, 65]
    ).tolist()
    long = dict(block_size=wide, causal=True, d_k=16, d_v=16)
    return {
        "blockwise_attention": {
            "sizes of this class": Case(t_q=t_q, t_k=t_k, block_size=block, causal=bool(rng.integers(2)), d_k=d_k),
            "bfloat16 of this class": Case(
                t_q=t_q, t_k=half, block_size=4, d_k=16, dtype=ml_dtypes.bfloat16, under=("jit",), like="bfloat16"
            ),
            "keys of this class": Case(
                t_q=queries,
                t_k=keys,
                block_size=block,
                causal=True,
                d_k=16,
                d_v=16,
                under=("jit",),
                like="a thousand keys in small blocks",
            ),
            "length of this class": Case(t_q=base, t_k=base, **long, under=("jit",), like="512 tokens"),
            "twice that length": Case(t_q=2 * base, t_k=2 * base, **long, under=("jit",), like="1024 tokens"),
            "sixteen times that length": Case(t_q=16 * base, t_k=16 * base, **long, under=(), like="4096 tokens"),
        }
    }
