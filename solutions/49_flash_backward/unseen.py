"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes

from grader.course import Case

FORWARD = ("eager", "jit", "vmap")


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    t_q, t_k, block, d_k, d_v, dead, queries, keys, half, base, wide, size = rng.integers(
        [3, 30, 5, 9, 4, 2, 300, 900, 9, 330, 17, 12], [6, 46, 9, 33, 9, 6, 500, 1200, 30, 400, 40, 20]
    ).tolist()
    widths, wider = dict(d_k=d_k, d_v=d_v), dict(d_k=16, d_v=16)
    bfloat16 = dict(t_q=t_q, t_k=half, block_size=4, d_k=16, dtype=ml_dtypes.bfloat16, under=("jit",), like="bfloat16")
    narrow = dict(
        t_q=queries, t_k=keys, block_size=block, causal=True, **wider, under=(), like="a thousand keys in blocks of 16"
    )
    broad = dict(
        t_q=queries,
        t_k=keys,
        block_size=wide,
        causal=True,
        **wider,
        under=(),
        like="a thousand keys in blocks of 32, the last one not full",
    )

    def long(times, like, under=()):
        tokens = times * base
        return Case(t_q=tokens, t_k=tokens, block_size=size, causal=True, **wider, under=under, like=f"{like} tokens")

    longer = {
        "twice that length": long(2, 1024),
        "sixteen times that length": long(16, 4096),
        "length of this class, the last block not full": long(1, 515),
        "twice that length, the last block not full": long(2, 1027),
    }
    sizes = dict(t_q=t_q, t_k=t_k, block_size=block, causal=bool(rng.integers(2)), **widths)
    some_see_nothing = dict(t_q=t_k + dead, t_k=t_k, block_size=block, causal=True, **widths)
    return {
        "flash_forward": {
            "sizes of this class": Case(**sizes, under=FORWARD),
            "queries without keys of this class": Case(**some_see_nothing, under=("eager",)),
            "bfloat16 of this class": Case(**bfloat16),
            "keys of this class": Case(**narrow),
            "length of this class": long(1, 512, ("jit",)),
            **longer,
        },
        "flash_attention": {
            "sizes of this class": Case(**sizes),
            "queries without keys of this class": Case(**some_see_nothing, under=("eager", "grad")),
            "bfloat16 of this class": Case(**bfloat16),
            "keys of this class": Case(**narrow),
            "keys of this class, in long blocks": Case(**broad),
            "length of this class": long(1, 512, ("grad",)),
            **longer,
        },
    }
