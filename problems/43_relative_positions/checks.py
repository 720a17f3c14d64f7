"""43 · The ladder of cases for `relative_bucket`, `RelativeBias` and `relative_scores`. Sources: Raffel et al. 2020,
section 2.1; Shaw et al. 2018, section 3; Dai et al. 2019, section 3.3 and appendix B; Huang et al. 2019."""

import ml_dtypes
import numpy as np

from grader.course import Case, Flops, Function, Largest, Module, ModuleInputs

PART = "A language model"


def unclear(num_buckets, max_distance):
    """The distances at which rounding decides: those where a range begins as good as exactly. At the first and at
    `max_distance` it does not."""
    half = num_buckets // 4
    distance = np.arange(half + 1, max_distance)
    place = np.log(distance / half) / np.log(max_distance / half) * half
    return {*distance[np.abs(place - np.round(place)) < 1e-3].tolist()}


def offsets(rng, num_buckets, max_distance, low, high, shape=None, slide=1):
    """Every offset from `low` to `high`, a few places on from one draw to the next; with a `shape`, any of them."""
    if shape is None:
        offset = np.arange(low, high + 1) + rng.integers(slide)
    else:
        offset = rng.integers(low, high, shape, endpoint=True)
    there = unclear(num_buckets, max_distance)
    for distance in sorted(there):  # moved on past each, from the nearest to the farthest
        offset = offset + (np.abs(offset) == distance) * np.sign(offset)
    return dict(offset=offset.astype(np.int32), num_buckets=num_buckets, max_distance=max_distance)


def biases(rng, num_heads, num_buckets, max_distance, t_q, t_k):
    if there := unclear(num_buckets, max_distance) & {*range(t_k)}:
        raise ValueError(f"rounding decides at {there}")
    return ModuleInputs(
        init=dict(num_heads=num_heads, num_buckets=num_buckets, max_distance=max_distance),
        params=dict(embedding=rng.standard_normal((num_buckets, num_heads)).astype(np.float32)),
        call=dict(t_q=t_q, t_k=t_k),
    )


def vectors(rng, length, num_heads, head_dim=4, dtype=np.float32):
    shapes = dict(q=(num_heads, length, head_dim), r=(2 * length - 1, num_heads, head_dim))
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


# No size is a power of two where a range would begin at a whole number, as it does at 16, 32 and 64 for 32 buckets and
# a distance of 128.
FEW = dict(num_buckets=8, max_distance=20)
MORE = dict(num_buckets=12, max_distance=30)
# The bias is linear in its parameter, so that the gradient does not depend on it.
LINEAR = dict(idle=("embedding under grad",))

ENTRIES = [
    Function(
        "relative_bucket",
        offsets,
        cases={
            "a bucket for each distance": Case(
                num_buckets=16, max_distance=40, low=-3, high=3, under=("eager", "jit"), idle=("max_distance",)
            ),
            "ranges that grow": Case(**MORE, low=-35, high=35, slide=7),
            "one offset": Case(**MORE, low=5, high=25, shape=()),
            "far beyond max_distance": Case(**MORE, low=-(10**9), high=10**9, shape=(8,)),
            "four buckets": Case(num_buckets=4, max_distance=9, low=-4, high=4, slide=3),
            "max_distance hardly larger than what is exact": Case(
                num_buckets=16, max_distance=5, low=-9, high=9, slide=3, under=("eager", "jit")
            ),
            "every axis of length one": Case(**MORE, low=-25, high=-5, shape=(1, 1), under=("eager", "jit")),
            "a matrix of offsets, dozens of buckets": Case(
                num_buckets=64, max_distance=1000, low=-1100, high=1100, shape=(30, 7)
            ),
        },
    ),
    Module(
        "RelativeBias",
        biases,
        cases={
            "one token": Case(**FEW, num_heads=2, t_q=1, t_k=1, **LINEAR),
            "as many queries as keys": Case(**FEW, num_heads=3, t_q=5, t_k=5, **LINEAR),
            "one query, the last of six": Case(**FEW, num_heads=3, t_q=1, t_k=6, **LINEAR),
            "fewer queries than keys": Case(**MORE, num_heads=2, t_q=3, t_k=7, **LINEAR),
            "as many heads as tokens": Case(**FEW, num_heads=4, t_q=4, t_k=4, under=("eager", "jit")),
            "every axis of length one": Case(**FEW, num_heads=1, t_q=1, t_k=1, **LINEAR),
            "keys farther than max_distance": Case(**MORE, num_heads=5, t_q=23, t_k=45, **LINEAR),
        },
        given=("embedding",),
    ),
    Function(
        "relative_scores",
        vectors,
        cases={
            "one token": Case(length=1, num_heads=2),
            "one head": Case(length=3, num_heads=1),
            "several heads": Case(length=5, num_heads=3),
            "two tokens, one feature": Case(length=2, num_heads=3, head_dim=1, under=("eager", "jit", "vmap")),
            "as many tokens as heads and features": Case(length=4, num_heads=4, under=("eager", "jit")),
            "every axis of length one": Case(length=1, num_heads=1, head_dim=1),
            "bfloat16": Case(length=4, num_heads=2, head_dim=8, dtype=ml_dtypes.bfloat16),
            # What is proved of these programs is proved of programs whose values are compared. With one head nothing
            # larger than a head's own share hides behind their number; with three, products across heads show.
            "dozens of tokens, one head": Case(length=33, num_heads=1, head_dim=8, under=("jit",)),
            "dozens of tokens, three heads": Case(length=28, num_heads=3, head_dim=8, under=("eager", "jit")),
        },
        proofs=[
            Largest(
                "nothing of size N × T × T × H",
                "Nothing of size N × T × T × H may exist: no vector for each pair of query and key.",
                ["dozens of tokens, one head"],
                limit=lambda length, num_heads, head_dim: num_heads * length**2 * head_dim,
            ),
            Flops(
                "few multiplications",
                "Products of matrices may take at most 4 N T² H multiplications.",
                ["dozens of tokens, three heads"],
                of="products",
                limit=lambda length, num_heads, head_dim: 4 * num_heads * length**2 * head_dim,
            ),
        ],
    ),
]
