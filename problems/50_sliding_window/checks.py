"""50 · The ladders of cases for `sliding_window_attention` and `RollingCacheAttention`. Sources: Beltagy et al. 2020,
section 3.1; Xiao et al. 2023, section 3.2; Jiang et al. 2023, section 2."""

import ml_dtypes
import numpy as np

from grader.course import Case, Denominators, Flops, Function, Growth, Largest, Module, ModuleInputs

PART = "Long sequences"
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def inputs(rng, length, window, sinks=None, heads=2, head_dim=3, lift=0.0, rise=0.0, dtype=np.float32):
    """`sinks` is left out where it is None. `lift` is added to every score of the even queries and taken from those of
    the odd ones. With `rise` each pair of keys scores that much more than the one before, and all scores are far below
    0."""
    q, k, v = (rng.standard_normal((length, heads, head_dim)) for _ in range(3))
    row, root = np.arange(length)[:, None], head_dim**0.5
    if lift:
        q[:, :, 0], k[:, :, 0] = root * (-1.0) ** row, lift
    if rise:
        height = rise * (row // 2)
        q[:, :, 0], k[:, :, 0] = root, height - height.max() - abs(rise)
    arguments = dict(q=q.astype(dtype), k=k.astype(dtype), v=v.astype(dtype), window=window)
    return arguments if sinks is None else arguments | dict(sinks=sinks)


def tokens(
    rng, d_model, num_heads, window, count, batch=(), lift=None, rise=0.0, drive="by hand", before=None
) -> ModuleInputs | dict:
    """One token a call. `lift` is added to every score of the even queries and taken from those of the odd ones; an
    empty slot scores 0. With `rise` each pair of keys scores that much more than the one before, for every query. What
    comes after `before` tokens of zeros is for the driver."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    x = draw(*batch, count, d_model)
    if count > 2 and lift is None:
        # an embedding of zeros is a token like any other: zeros in a cache do not say that a slot is unused
        x[..., 1, :] = 0
    kernels = {name: (draw(d_model, d_model) / d_model**0.5).astype(np.float32) for name in PROJECTIONS}
    if lift is not None:
        # The first feature of each head of a query is ±sqrt(H), that of a key its height: by the first two features of
        # a token, and nothing else.
        width, places = d_model // num_heads, np.arange(count)
        x[..., 0], x[..., 1] = np.where(places % 2 * (not rise), -1.0, 1.0), 1.0 + rise * (places // 2) / lift
        for name, row, height in (("q_proj", 0, width**0.5), ("k_proj", 1, lift)):
            kernels[name][:2], kernels[name][:, ::width] = 0.0, 0.0
            kernels[name][row, ::width] = height
    if before is not None:
        return dict(x=x, params=kernels, before=before, num_heads=num_heads, window=window)
    return ModuleInputs(
        init=dict(d_model=d_model, num_heads=num_heads, window=window),
        params={f"{name}.kernel": kernel for name, kernel in kernels.items()},
        call=dict(x=x),
        steps=(1,) * count,
        by_row=True,
        drive=drive,
    )


def long(length, window=8, sinks=3, under=()):
    """Far above every width and window, but where a case is about one that is far above the length."""
    return Case(length=length, window=window, sinks=sinks, heads=2, head_dim=4, under=under)


def pairs(length, window, sinks, heads, **_):
    """A window and the sinks for every query."""
    return length * (window + sinks) * heads


def linear(where, cases):
    """Twice the tokens take at most twice as much, and no more than some hundred operations for each pair and
    feature."""
    options = dict(exponent=1.0, length=lambda length, **_: length)
    return [
        Growth(
            f"linear work{where}",
            "At a fixed window the work is linear in T.",
            cases,
            of="flops",
            limit=lambda head_dim, **sizes: 1024 * pairs(**sizes) * (head_dim + 1),
            **options,
        ),
        Growth(
            f"linear memory{where}",
            "At a fixed window the largest array is linear in T.",
            cases,
            of="largest",
            limit=lambda head_dim, **sizes: 64 * pairs(**sizes) * (head_dim + 1),
            **options,
        ),
    ]


def no_longer_program(name, rule, cases, length):
    return Growth(name, rule, cases, of="equations", exponent=0.0, length=length, limit=lambda **_: 900)


def far_beyond(what, case):
    """For a few tokens no more than T times window and sinks, however few tokens there are."""
    return [
        Flops(
            f"{what} far beyond T, no more work",
            f"Also where {what} far beyond T, the work is at most in proportion to T.",
            [case],
            limit=lambda head_dim, **sizes: 64 * pairs(**sizes) * (head_dim + 1),
        ),
        Largest(
            f"{what} far beyond T, no larger array",
            f"Also where {what} far beyond T, the largest array is at most in proportion to T.",
            [case],
            limit=lambda head_dim, **sizes: 16 * pairs(**sizes) * (head_dim + 1),
        ),
    ]


HALF = ml_dtypes.bfloat16
ALONE = ("q", "k", "v under grad")  # a weight of 1, whatever scores
SMALL, WIDE = dict(d_model=6, num_heads=2), dict(d_model=12, num_heads=3)
OWN = ("q_proj.kernel", "k_proj.kernel")  # of one token alone
FAR = 1 << 14

ENTRIES = [
    Function(
        "sliding_window_attention",
        inputs,
        cases={
            "one token": Case(length=1, window=1, idle=(*ALONE, "window"), under=("eager", "grad")),
            "a window of one": Case(length=5, window=1, idle=ALONE, under=("jit",)),
            "a window of two": Case(length=5, window=2, under=("eager", "jit", "grad")),
            "a window of the whole length": Case(length=5, window=5, under=("jit",)),
            "a window far beyond the length": Case(length=5, window=1000, under=("jit", "grad")),
            "one token more than the window": Case(length=5, window=4, under=("jit",)),
            "a whole number of windows": Case(length=6, window=3, under=("jit",)),
            "a last window that is not full": Case(length=8, window=3, sinks=0, under=("eager", "jit", "grad")),
            "a sink": Case(length=6, window=2, sinks=1, under=("jit", "vmap", "grad")),
            "several sinks, more than the window": Case(length=9, window=2, sinks=4, under=("jit", "grad")),
            "sinks far beyond the length": Case(length=5, window=2, sinks=1000, idle=("window",), under=("jit",)),
            "window and sinks beyond the length": Case(
                length=4, window=9, sinks=6, idle=("window", "sinks"), under=("jit",)
            ),
            "older keys score higher, by hundreds": Case(length=8, window=3, rise=-150.0, under=("jit", "grad")),
            "later keys score higher, by hundreds": Case(length=7, window=3, rise=150.0, under=("jit",)),
            "large logits": Case(length=7, window=3, sinks=2, lift=200.0, under=("jit", "grad")),
            "as many heads as tokens": Case(length=4, window=2, sinks=1, heads=4, head_dim=4, under=("jit",)),
            "every axis of length one": Case(
                length=1,
                window=1,
                sinks=1,
                heads=1,
                head_dim=1,
                idle=(*ALONE, "window", "sinks"),
                under=("jit", "grad"),
            ),
            "bfloat16": Case(length=20, window=6, sinks=2, head_dim=16, dtype=HALF, under=("jit",)),
            "dozens of tokens": Case(length=45, window=7, sinks=4, heads=3, head_dim=5),
            "a window of more than a hundred": Case(
                length=301, window=150, sinks=80, heads=1, head_dim=2, under=("jit",)
            ),
            "512 tokens": long(512, under=("jit",)),
            "1024 tokens": long(1024),
            "1024 tokens, a window of 16": long(1024, window=16),
            "509 tokens": long(509),
            "1018 tokens": long(1018),
            "64 tokens, a window far beyond": long(64, window=FAR),
            "64 tokens, sinks far beyond": long(64, sinks=FAR),
        },
        proofs=[
            *linear("", ["512 tokens", "1024 tokens"]),
            *linear(", no whole number of windows", ["509 tokens", "1018 tokens"]),
            no_longer_program(
                "no longer program for more tokens",
                "The program must not grow with T.",
                ["512 tokens", "1024 tokens"],
                lambda length, **_: length,
            ),
            no_longer_program(
                "no longer program for a longer window",
                "The program must not grow with the window.",
                ["1024 tokens", "1024 tokens, a window of 16"],
                lambda window, **_: window,
            ),
            *far_beyond("the window is", "64 tokens, a window far beyond"),
            *far_beyond("the sinks are", "64 tokens, sinks far beyond"),
            Denominators(
                "softmax in float32",
                "The softmax is computed in float32, whatever the inputs are.",
                ["bfloat16"],
                within="softmax",
            ),
        ],
    ),
    Module(
        "RollingCacheAttention",
        tokens,
        cases={
            "one token, room for more": Case(**SMALL, window=3, count=1, idle=OWN),
            "the window not full": Case(**SMALL, window=3, count=2, under=("eager", "grad")),
            "the window just full": Case(**SMALL, window=3, count=3, under=("eager",)),
            "the oldest token leaves": Case(**SMALL, window=3, count=5),
            "a window of one": Case(**SMALL, window=1, count=3, idle=OWN, under=("jit",)),
            "round and round": Case(**WIDE, window=4, count=11, under=("eager",)),
            "large logits, the window not full": Case(**WIDE, window=4, count=3, lift=200.0, under=("eager", "grad")),
            "tokens that left score higher, by hundreds": Case(
                **WIDE, window=4, count=8, lift=-150.0, rise=-150.0, under=("eager",)
            ),
            "later tokens score higher, by hundreds": Case(
                **WIDE, window=4, count=6, lift=-900.0, rise=150.0, under=("eager",)
            ),
            "every axis of length one": Case(d_model=1, num_heads=1, window=1, count=1, idle=OWN, under=("jit",)),
            "in steps of nnx.jit": Case(**WIDE, window=4, count=6, drive="nnx.jit", under=("eager",)),
            "in steps of jax.jit, the state passed along": Case(
                **WIDE, window=4, count=6, drive="jax.jit", under=("eager",)
            ),
            "as the body of a lax.scan": Case(**WIDE, window=4, count=9, drive="lax.scan", under=("eager",)),
            "a batch by jax.vmap": Case(**WIDE, window=4, count=6, batch=(2,), drive="jax.vmap", under=("eager",)),
            "after two billion tokens": Case(
                **WIDE, window=7, count=8, before=2**31 - 12, driver="after_many", under=("jit",)
            ),
            "two tokens, a long window": Case(d_model=8, num_heads=2, window=64, count=2, under=("jit",)),
        },
        given=("k_cache", "v_cache", "pos"),
        free=("k_cache", "v_cache"),
        proofs=[
            # Four projections of a token, its products with the keys and values of the window, a softmax, and as much
            # again for other ways to write and to read.
            Flops(
                "a step costs no more than its token",
                "A step projects its own token and attends from it, however many came before.",
                ["two tokens, a long window"],
                limit=lambda d_model, window, count, **_: 2 * count * (8 * d_model**2 + 8 * window * d_model),
            ),
        ],
    ),
]
