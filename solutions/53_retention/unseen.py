"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    length, width, width_v, before, many, size, chunk, base, blocks, near, band, wide_band = rng.integers(
        [5, 3, 3, 5, 30, 5, 9, 700, 50, 5, 3, 20], [9, 9, 9, 30, 60, 13, 24, 1100, 80, 12, 7, 30]
    ).tolist()
    decays = (0.0, *(-rng.uniform(0.05, 1.0, int(rng.integers(1, 4)))).tolist(), -50.0)
    widths, jit = dict(decays=decays, width=width, width_v=width_v), dict(under=("jit",))
    one_head, two_heads = (
        dict(decays=(-0.02,), width=16, width_v=14),
        dict(decays=(-0.01, -0.3), width=16, width_v=8),
    )
    bfloat16 = dict(dtype=ml_dtypes.bfloat16, **jit)
    alphas = tuple(rng.uniform(0.05, 1.0, int(rng.integers(2, 5))).tolist())
    return {
        "retention": {
            "sizes of this class": Case(length=length, **widths),
            "length of this class": Case(length=many, **widths, level=0.5, under=("jit", "grad")),
        },
        "retention_step": {
            "sizes of this class": Case(before=before, **widths),
            "tokens of this class": Case(before=0, length=many, **widths, driver="token_by_token", **jit),
            "bfloat16 of this class": Case(before=2, width=width, **bfloat16, like="bfloat16"),
            "bfloat16 tokens of this class": Case(
                before=0,
                length=many,
                decays=(0.0, -0.004),
                width=8,
                level=2.0,
                driver="token_by_token",
                **bfloat16,
                like="bfloat16, dozens of tokens, token by token",
            ),
        },
        "chunked_retention": {
            "sizes of this class": Case(length=many, chunk_size=size, **widths),
            "bfloat16 of this class": Case(
                length=many, chunk_size=4, decays=(0.0, -0.004), width=16, level=2.0, **bfloat16, like="bfloat16"
            ),
            "length of this class": Case(
                length=base, chunk_size=chunk, **one_head, **jit, like="a thousand tokens in chunks of 16"
            ),
            "twice that length": Case(length=2 * base, chunk_size=chunk, **one_head, under=(), like="two thousand"),
            "small chunks of this class": Case(
                length=4 * blocks, chunk_size=4, **two_heads, **jit, like="256 tokens in chunks of 4"
            ),
            "twice as many of them": Case(
                length=8 * blocks, chunk_size=4, **two_heads, under=(), like="512 tokens in chunks of 4"
            ),
        },
        "banded_attention": {
            "sizes of this class": Case(length=many, band=near, alphas=alphas, width=width),
            "length of this class": Case(
                length=5 * many + 200, band=band, alphas=(0.2, 0.9), width=8, **jit, like="403 tokens in a band of 4"
            ),
            "twice that length": Case(
                length=10 * many + 400,
                band=band,
                alphas=(0.2, 0.9),
                width=8,
                under=(),
                like="806 tokens in a band of 4",
            ),
            "a wide band of this class": Case(
                length=base, band=wide_band, alphas=(0.05,), width=8, **jit, like="1024 tokens in a band of 32"
            ),
            "twice as long": Case(
                length=2 * base, band=wide_band, alphas=(0.05,), width=8, under=(), like="2048 tokens in a band of 32"
            ),
        },
    }
