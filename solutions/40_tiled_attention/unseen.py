"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    heads, t_q, t_k, same, half, blocks, keys = rng.integers(
        [2, 17, 33, 33, 17, 2, 800], [4, 31, 47, 63, 31, 4, 1000]
    ).tolist()
    return {
        "tiled_attention": {
            "sizes of this class": Case(
                heads=heads,
                t_q=t_q,
                t_k=t_k,
                block_q=8,
                block_k=16,
                under=("eager", "jit", "vmap"),
                like="lengths that are no multiple of the blocks",
            ),
            "causal, fewer queries than keys of this class": Case(
                heads=heads,
                t_q=t_q,
                t_k=t_k,
                block_q=8,
                block_k=16,
                causal=True,
                under=("jit",),
                like="causal, fewer queries than keys",
            ),
            "causal, of this class": Case(
                heads=heads,
                t_q=same,
                t_k=same,
                block_q=16,
                block_k=16,
                causal=True,
                under=("jit",),
                like="causal, as many queries as keys",
            ),
            "bfloat16 of this class": Case(
                heads=heads,
                t_q=half,
                t_k=t_k,
                width=16,
                dtype="bfloat16",
                block_q=16,
                block_k=8,
                causal=True,
                under=("jit",),
                like="bfloat16",
            ),
            "blocks of 64": Case(
                heads=heads,
                t_q=64 * blocks,
                t_k=256,
                block_q=64,
                block_k=64,
                causal=True,
                under=("jit",),
                like="blocks of 128",
            ),
            "keys of this class": Case(
                heads=1, t_q=512, t_k=keys, block_q=256, block_k=32, under=("jit",), like="a thousand keys"
            ),
        }
    }
