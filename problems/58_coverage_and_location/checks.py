"""58 · The ladders of cases for `CoverageAttention`, `coverage_loss` and `LocationAttention`. Sources: See et al. 2017,
equations 10 to 12; Chorowski et al. 2015, equations 8 and 9."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Module, ModuleInputs, drawn_until

PART = "Before the transformer"
SURE = 20.0  # tanh of it is 1 to the last bit of a float32
HUGE = 3e38
MARGIN = 1e-3  # how far a weight is from what came before it where a gradient is compared

# The two modules


def with_coverage(rng, d_query, d_key, d_attention, length, most=3.0, **options):
    """Each key has a coverage of its own, up to `most`; the term that comes of it is of size 1 or so."""
    return _inputs(
        rng,
        init=dict(d_query=d_query, d_key=d_key, d_attention=d_attention),
        length=length,
        kernels={"coverage_proj.kernel": rng.standard_normal((1, d_attention)) * min(1.0, 3 / max(most, 1.0))},
        past=lambda seen: ("coverage", np.where(seen, rng.uniform(0, most, seen.shape), 0.0)),
        **options,
    )


def with_previous(rng, d_query, d_key, d_attention, num_filters, kernel_size, length, step="later", **options):
    """At the "first" step there are no weights before; at a "sharp" one they are all on one key."""

    def past(seen):
        powers = np.where(seen, np.exp(rng.standard_normal(seen.shape) * (40 if step == "sharp" else 1.5)), 0.0)
        total = powers.sum(-1, keepdims=True)
        return "previous", powers / np.where(total > 0, total, 1.0) * (step != "first")

    return _inputs(
        rng,
        init=dict(
            d_query=d_query, d_key=d_key, d_attention=d_attention, num_filters=num_filters, kernel_size=kernel_size
        ),
        length=length,
        kernels={
            "location_conv.kernel": 2 * rng.standard_normal((kernel_size, 1, num_filters)),
            "location_proj.kernel": rng.standard_normal((num_filters, d_attention)) / num_filters**0.5,
        },
        past=past,
        **options,
    )


def _inputs(
    rng,
    init,
    length,
    kernels,
    past,
    batch=(),
    mask="left out",
    gain=2.0,
    lift=0.0,
    huge=False,
    dtype=np.float32,
    driven=False,
):
    """`past` says what the steps before have left, of the keys that may be attended to. `mask` says what the call
    holds; "holes, one empty" leaves one sequence of the batch without a key. `gain` stretches the scores. With `lift`
    each score of the first sequence, the third and so on is 3 times that lower, and of the others that much higher;
    hidden keys score twice as much more. With `huge` the first hidden key is so. What is `driven` is a function of the
    kernels."""
    d_query, d_key, d_attention = init["d_query"], init["d_key"], init["d_attention"]

    def draw(*shape):
        return rng.standard_normal(shape)

    query, keys = draw(*batch, d_query), draw(*batch, length, d_key)
    given = {} if mask == "left out" else {"mask": None if mask == "None" else _mask(rng, (*batch, length), mask)}
    seen = np.ones((*batch, length), bool) if given.get("mask") is None else given["mask"]
    # The sum of all three terms is of size 1 or so, where tanh bends.
    params = {
        "query_proj.kernel": draw(d_query, d_attention) / d_query**0.5,
        "key_proj.kernel": draw(d_key, d_attention) / d_key**0.5,
        "score.kernel": draw(d_attention, 1) * gain / d_attention**0.5,
        **kernels,
    }
    if lift:
        _lift(query, keys, seen, params, lift)
    if huge:
        keys = _with_a_huge_one(keys, seen, params)
    name, before = past(seen)
    params = {path: array.astype(dtype) for path, array in params.items()}
    # what the steps before have left is float32, whatever the keys are
    call = dict(query=query.astype(dtype), keys=keys.astype(dtype)) | {name: before.astype(np.float32)} | given
    if driven:
        return dict(kernels={path.removesuffix(".kernel"): array for path, array in params.items()}, **call)
    return ModuleInputs(init=init, params=params, call=call)


def _mask(rng, shape, kind):
    """True and False anywhere, both in every row; the first and the last key are as likely to be hidden as any
    other."""
    rows = (rng.random(shape) < 0.6).reshape(-1, shape[-1])
    for row in rows:
        seen, hidden = rng.choice(shape[-1], 2, replace=False)
        row[seen], row[hidden] = True, False
    if kind == "holes, one empty":
        rows[1] = False
    elif kind == "empty":
        rows[:] = False
    return rows.reshape(shape)


def _lift(query, keys, seen, params, lift):
    """The first two hidden units are sure of themselves: one by the first feature of the query, which differs from
    sequence to sequence, and one by that of a key, which says whether it is hidden. The past does not touch them."""
    query[..., 0] = np.where(np.arange(query[..., 0].size).reshape(query.shape[:-1]) % 2, 1.0, -1.0)
    keys[..., 0] = np.where(seen, -1.0, 1.0)
    for unit, name in enumerate(("query_proj.kernel", "key_proj.kernel")):
        params[name][0], params[name][:, :2] = 0.0, 0.0
        params[name][0, unit] = SURE
    for name in {"coverage_proj.kernel", "location_proj.kernel"} & {*params}:
        params[name][:, :2] = 0.0
    params["score.kernel"][:2, 0] = 2 * lift, lift


def _with_a_huge_one(keys, seen, params):
    """Every feature of the first hidden key is huge, of either sign, and so is what it adds to a hidden unit: the sum
    has no size that a float32 can hold, or is no number at all."""
    first = (~seen & ((~seen).cumsum(-1) == 1))[..., None]
    kernel = params["key_proj.kernel"]
    kernel[...] = np.sign(kernel) * np.maximum(np.abs(kernel), 1.25)
    return np.where(first, HUGE * np.sign(keys), keys / 4)


# The loss


def rows(rng, shape, kind="any", dtype=np.float32):
    """One row of weights for each step. Of `kind` "once" each key has all the weight of one step, "stuck" one key that
    of all of them. Of "partial" rows the sum is below 1. "zeros" and "tied": numbers that floats add up exactly, with
    two keys, of which "tied" tells, that have as much as they had before. "hundreds": many small weights, and one step
    at last that is large."""
    if kind == "once":
        weights = np.eye(*shape)[:, rng.permutation(shape[-1])]
    elif kind == "stuck":
        weights = np.eye(shape[-1])[np.full(shape[0], rng.integers(shape[-1]))]
    elif kind in ("zeros", "tied"):
        weights = _tied(rng, shape)
    elif kind == "hundreds":
        weights = 1e-3 * rng.uniform(0.7, 1.3, shape)
        weights[-1] = rng.uniform(0.85, 0.95, shape[-1])
    else:
        least = 0.3 if kind == "partial" else 1.0
        weights = drawn_until(
            is_clear, lambda: _softmax(1.5 * rng.standard_normal(shape)) * rng.uniform(least, 1.0, (shape[0], 1))
        )
    if kind == "tied":
        return dict(weights=weights.astype(dtype), tied=np.arange(shape[-1]) < 2)
    return dict(weights=weights.astype(dtype))


def _softmax(scores):
    powers = np.exp(scores)
    return powers / powers.sum(-1, keepdims=True)


def is_clear(weights):
    """Whether none is close to what its key has had before: no rounding decides about a minimum."""
    return (np.abs(weights - (weights.cumsum(0) - weights)) > MARGIN).all()


def _tied(rng, shape):
    weights = drawn_until(is_clear, lambda: rng.integers(1, 24, shape) / 128)
    weights[:2, 0] = weights[0, 0]
    weights[:, 1] = 0.0
    return weights


UNEQUAL = dict(d_query=3, d_key=5, d_attention=4, length=6)
# everything fits everywhere, so that a mix-up shows in the values
SQUARE = dict(d_query=5, d_key=5, d_attention=5, length=5)
# a context of projected keys has the right shape
AS_WIDE = dict(d_query=6, d_key=4, d_attention=4, length=7)
FILTERS = dict(num_filters=2, kernel_size=3)
ALL_SQUARE = dict(**SQUARE, num_filters=5, kernel_size=5)
VALUES = ("eager", "jit")
NO_GRADIENT = ("eager", "jit", "vmap")
# What stands in the past of a masked key is 0, and who reads it there all the same is as right as who does not. Their
# gradients differ there, and so these cases go through a driver, which leaves that place out.
BEHIND_A_MASK = dict(mask="holes, one empty", driven=True, under=("grad",))
HALF = ml_dtypes.bfloat16
# of one key the weight is 1, whatever its score
UNSEEN = ("query", "query_proj.kernel", "key_proj.kernel", "score.kernel", "keys under grad")
NO_COVERAGE = (*UNSEEN, "coverage_proj.kernel", "coverage under grad")
NO_LOCATION = (*UNSEEN, "location_conv.kernel", "location_proj.kernel", "previous")

ENTRIES = [
    Module(
        "CoverageAttention",
        with_coverage,
        cases={
            "one key": Case(d_query=3, d_key=4, d_attention=2, length=1, idle=NO_COVERAGE, under=("eager", "grad")),
            "the first step": Case(**UNEQUAL, most=0.0, idle=("coverage_proj.kernel",), under=VALUES),
            "a later step": Case(**UNEQUAL),
            "every width and the length the same": Case(**SQUARE, under=("eager", "grad")),
            "keys as wide as the attention": Case(**AS_WIDE, under=("eager",)),
            "a mask with holes": Case(**AS_WIDE, mask="holes", under=VALUES),
            "as many sequences as keys": Case(**SQUARE, batch=(5,), mask="None", under=VALUES),
            "scores in the hundreds": Case(**AS_WIDE, batch=(2,), lift=200.0, under=("eager", "grad")),
            "scores of hidden keys hundreds above the others": Case(
                **UNEQUAL, batch=(2,), mask="holes", lift=200.0, under=("eager",)
            ),
            # Most numbers that people put in the place of a hidden score are above these.
            "visible scores of -15 000": Case(**UNEQUAL, mask="holes", lift=5e3, under=("eager",)),
            "numbers of 3e38 at a hidden key": Case(
                d_query=3, d_key=8, d_attention=6, length=9, mask="holes", huge=True, under=VALUES
            ),
            "a batch of one": Case(**UNEQUAL, batch=(1,), mask="holes", under=("eager",)),
            "every axis of length one": Case(
                d_query=1, d_key=1, d_attention=1, length=1, batch=(1,), idle=NO_COVERAGE, under=("eager",)
            ),
            # Nothing but zeros comes of it.
            "every key hidden": Case(**UNEQUAL, mask="empty", idle=("keys", *NO_COVERAGE), under=("eager",)),
            "one sequence of a batch hidden entirely": Case(
                **SQUARE, batch=(5,), mask="holes, one empty", under=("eager",)
            ),
            "the gradient, one sequence hidden entirely": Case(
                **SQUARE, batch=(5,), **BEHIND_A_MASK, driver="coverage_behind_a_mask"
            ),
            "two batch dimensions, one sequence hidden entirely": Case(
                d_query=7, d_key=6, d_attention=9, length=3, batch=(2, 3), mask="holes, one empty", under=NO_GRADIENT
            ),
            "bfloat16": Case(
                d_query=8,
                d_key=6,
                d_attention=6,
                length=5,
                batch=(2,),
                mask="holes",
                gain=6.0,
                dtype=HALF,
                under=VALUES,
            ),
            "bfloat16, after hundreds of steps": Case(
                d_query=8, d_key=6, d_attention=6, length=7, most=400.0, gain=6.0, dtype=HALF, under=("eager",)
            ),
        },
    ),
    Function(
        "coverage_loss",
        rows,
        cases={
            "one step": Case(shape=(1, 5), under=("eager", "grad"), idle=("weights",)),
            "two steps, three keys": Case(shape=(2, 3)),
            "each key once": Case(shape=(4, 4), kind="once", under=("eager",)),
            "one key in every step": Case(shape=(4, 6), kind="stuck", under=("eager",)),
            "as many steps as keys": Case(shape=(4, 4), under=("eager", "grad")),
            "more steps than keys": Case(shape=(7, 3), under=("eager", "vmap", "grad")),
            "more keys than steps": Case(shape=(3, 9), kind="partial"),
            "one key": Case(shape=(5, 1), kind="partial", under=("eager",)),
            "every axis of length one": Case(shape=(1, 1), kind="partial", under=("eager",), idle=("weights",)),
            "ties and weights of 0": Case(shape=(5, 6), kind="zeros", under=("eager", "vmap")),
            "the gradient beside ties": Case(shape=(5, 6), kind="tied", driver="slopes_beside_ties", under=VALUES),
            "hundreds of steps": Case(shape=(801, 3), kind="hundreds", under=("eager",)),
            "bfloat16": Case(shape=(6, 5), dtype=HALF, under=VALUES),
            "bfloat16, hundreds of steps": Case(shape=(801, 3), kind="hundreds", dtype=HALF, under=("eager",)),
        },
    ),
    Module(
        "LocationAttention",
        with_previous,
        cases={
            "one key": Case(
                d_query=3, d_key=4, d_attention=2, length=1, **FILTERS, idle=NO_LOCATION, under=("eager", "grad")
            ),
            "the first step": Case(
                **UNEQUAL,
                **FILTERS,
                step="first",
                idle=("location_conv.kernel", "location_proj.kernel"),
                under=VALUES,
            ),
            "a kernel of one": Case(**UNEQUAL, num_filters=3, kernel_size=1, under=("eager", "grad")),
            "a kernel of three": Case(**UNEQUAL, **FILTERS),
            "one filter, all weight before on one key": Case(
                **UNEQUAL, num_filters=1, kernel_size=5, step="sharp", under=("eager",)
            ),
            "a kernel longer than the sequence": Case(
                d_query=3,
                d_key=5,
                d_attention=4,
                length=4,
                num_filters=3,
                kernel_size=9,
                under=("eager", "jit", "grad"),
            ),
            "every width, the length and the kernel the same": Case(**ALL_SQUARE, under=("eager", "grad")),
            "a mask with holes": Case(**AS_WIDE, **FILTERS, mask="holes", under=VALUES),
            "as many sequences as keys": Case(**ALL_SQUARE, batch=(5,), mask="None", under=VALUES),
            "scores in the hundreds": Case(**AS_WIDE, **FILTERS, batch=(2,), lift=200.0, under=("eager", "grad")),
            "scores of hidden keys hundreds above the others": Case(
                **UNEQUAL, **FILTERS, batch=(2,), mask="holes", lift=200.0, under=("eager",)
            ),
            "visible scores of -15 000": Case(**AS_WIDE, **FILTERS, mask="holes", lift=5e3, under=("eager",)),
            "numbers of 3e38 at a hidden key": Case(
                d_query=3, d_key=8, d_attention=6, length=9, **FILTERS, mask="holes", huge=True, under=VALUES
            ),
            "a batch of one": Case(**UNEQUAL, **FILTERS, batch=(1,), mask="holes", under=("eager",)),
            "every axis of length one": Case(
                d_query=1,
                d_key=1,
                d_attention=1,
                length=1,
                num_filters=1,
                kernel_size=1,
                batch=(1,),
                idle=NO_LOCATION,
                under=("eager",),
            ),
            "every key hidden": Case(**UNEQUAL, **FILTERS, mask="empty", idle=("keys", *NO_LOCATION), under=("eager",)),
            "one sequence of a batch hidden entirely": Case(
                **ALL_SQUARE, batch=(5,), mask="holes, one empty", under=("eager",)
            ),
            "the gradient, one sequence hidden entirely": Case(
                **ALL_SQUARE, batch=(5,), **BEHIND_A_MASK, driver="location_behind_a_mask"
            ),
            "two batch dimensions, one sequence hidden entirely": Case(
                d_query=7,
                d_key=6,
                d_attention=9,
                length=3,
                num_filters=4,
                kernel_size=7,
                batch=(2, 3),
                mask="holes, one empty",
                under=NO_GRADIENT,
            ),
            "bfloat16, all weight before on one key": Case(
                d_query=8,
                d_key=6,
                d_attention=6,
                length=9,
                **FILTERS,
                batch=(2,),
                step="sharp",
                gain=6.0,
                dtype=HALF,
                under=VALUES,
            ),
        },
    ),
]
