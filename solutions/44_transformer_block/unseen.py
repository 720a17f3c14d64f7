"""Cases that only a class run tries: their sizes follow from its secret seed and are new in each round, so that nobody
can write for them."""

import ml_dtypes
import numpy as np

from grader.course import Case


def cases(rng) -> dict[str, dict[str, Case]]:
    """More rungs for the ladder of each name."""
    width, units, heads, head, hidden, length = rng.integers([5, 6, 2, 3, 13, 4], [9, 14, 5, 6, 22, 8]).tolist()
    block = dict(d_model=heads * head, num_heads=heads, d_ff=hidden, length=length)
    return {
        "FeedForward": {"sizes of this class": Case(d_model=width, d_ff=units, length=length)},
        "GatedFeedForward": {"sizes of this class": Case(d_model=width, d_ff=units, length=length)},
        "TransformerBlock": {
            "sizes of this class": Case(**block, like="square kernels"),
            "bfloat16 of this class": Case(
                **block, size=4.0, dtype=ml_dtypes.bfloat16, under=("eager", "jit"), like="bfloat16"
            ),
            "float16 of this class": Case(**block, dtype=np.float16, under=(), like="float16"),
        },
    }
