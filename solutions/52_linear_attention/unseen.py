"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, t_k, d_k, d_v, before, length, size, half, base, chunk, blocks = rng.integers(
        [3, 20, 4, 4, 5, 30, 5, 30, 700, 9, 9], [9, 40, 12, 12, 30, 60, 13, 50, 1100, 24, 15]
    ).tolist()
    widths, wide = dict(d_k=d_k, d_v=d_v), dict(d_k=16, d_v=16)
    bfloat16, jit = dict(dtype=ml_dtypes.bfloat16, under=("jit",)), dict(under=("jit",))
    return {
        "linear_attention": {
            "sizes of this class": Case(t_q=t_q, t_k=t_k, **widths),
            "bfloat16 of this class": Case(t_q=t_q, t_k=size, top=5.0, **bfloat16, like="bfloat16"),
            "lengths of this class": Case(t_q=base, t_k=base + 100, **wide, **jit, like="1001 queries, 1101 keys"),
            "twice these lengths": Case(
                t_q=2 * base, t_k=2 * base + 200, **wide, under=(), like="2002 queries, 2202 keys"
            ),
            "whole blocks of this class": Case(
                t_q=32 * blocks, t_k=64 * blocks, **wide, **jit, like="512 queries, 1024 keys"
            ),
            "twice these blocks": Case(
                t_q=64 * blocks, t_k=128 * blocks, **wide, under=(), like="1024 queries, 2048 keys"
            ),
        },
        "linear_attention_step": {
            "sizes of this class": Case(before=before, **widths),
            "tokens of this class": Case(before=0, length=t_k, d_k=d_k, driver="token_by_token", under=("eager",)),
            "bfloat16 of this class": Case(before=2, d_v=d_v, top=5.0, **bfloat16, like="bfloat16"),
            "bfloat16 tokens of this class": Case(
                before=0,
                length=half,
                d_k=8,
                level=3.0,
                driver="token_by_token",
                **bfloat16,
                like="bfloat16, dozens of tokens, token by token",
            ),
        },
        "causal_linear_attention": {
            "sizes of this class": Case(length=length, chunk_size=size, **widths, like="dozens of tokens"),
            "bfloat16 of this class": Case(length=half, chunk_size=4, d_k=16, level=3.0, **bfloat16, like="bfloat16"),
            "length of this class": Case(
                length=base, chunk_size=chunk, **wide, **jit, like="a thousand tokens in chunks of 16"
            ),
            "twice that length": Case(length=2 * base, chunk_size=chunk, **wide, under=(), like="two thousand"),
            "small chunks of this class": Case(
                length=20 * blocks, chunk_size=4, d_k=16, d_v=8, **jit, like="256 tokens in chunks of 4"
            ),
            "twice as many of them": Case(
                length=40 * blocks, chunk_size=4, d_k=16, d_v=8, under=(), like="512 tokens in chunks of 4"
            ),
        },
    }
