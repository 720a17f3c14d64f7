"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, t_k, d_k, d_v, before, length, size, half, base, chunk = rng.integers(
        [3, 20, 4, 4, 5, 30, 5, 30, 700, 9], [9, 40, 12, 12, 30, 60, 13, 50, 1100, 24]
    ).tolist()
    widths, bfloat16 = dict(d_k=d_k, d_v=d_v), dict(top=5.0, dtype=ml_dtypes.bfloat16)
    wide = dict(d_k=16, d_v=16)
    return {
        "linear_attention": {
            "sizes of this class": Case(t_q=t_q, t_k=t_k, **widths),
            "bfloat16 of this class": Case(t_q=t_q, t_k=size, **bfloat16, under=("jit",), like="bfloat16"),
            "lengths of this class": Case(
                t_q=base, t_k=base + 100, **wide, under=("jit",), like="1001 queries, 1101 keys"
            ),
            "twice these lengths": Case(
                t_q=2 * base, t_k=2 * (base + 100), **wide, under=(), like="2002 queries, 2202 keys"
            ),
        },
        "linear_attention_step": {
            "sizes of this class": Case(before=before, **widths),
            "tokens of this class": Case(
                before=0, length=t_k, d_k=d_k, driver="token_by_token", under=("eager", "jit")
            ),
            "bfloat16 of this class": Case(before=2, d_v=d_v, **bfloat16, under=("jit",), like="bfloat16"),
        },
        "causal_linear_attention": {
            "sizes of this class": Case(length=length, chunk_size=size, **widths),
            "bfloat16 of this class": Case(
                length=half, chunk_size=4, d_k=16, level=3.0, dtype=ml_dtypes.bfloat16, under=("jit",), like="bfloat16"
            ),
            "length of this class": Case(
                length=base, chunk_size=chunk, **wide, under=("jit",), like="a thousand tokens in chunks of 16"
            ),
            "twice that length": Case(length=2 * base, chunk_size=chunk, **wide, under=(), like="two thousand"),
        },
    }
