"""55 · The ladder of cases for `AdditiveAttention`. Source: Bahdanau et al. 2014, equations 5 and 6, appendix A.1.2."""

import ml_dtypes
import numpy as np

from grader.course import Case, Module, ModuleInputs

PART = "Before the transformer"
SURE = 20.0  # tanh of it is 1 to the last bit of a float32
HUGE = 3e38


def inputs(
    rng,
    d_query,
    d_key,
    d_attention,
    length,
    batch=(),
    mask="left out",
    gain=2.0,
    lift=0.0,
    huge=False,
    dtype=np.float32,
):
    """`mask` says what the call holds; "holes, one empty" leaves one sequence of the batch without a key. `gain`
    stretches the scores. With `lift` each score of the first sequence, the third and so on is 3 times that lower, and
    of the others that much higher; hidden keys score twice as much more. With `huge` the first hidden key is so."""

    def draw(*shape):
        return rng.standard_normal(shape)

    call = dict(query=draw(*batch, d_query), keys=draw(*batch, length, d_key))
    if mask != "left out":
        call["mask"] = None if mask == "None" else _mask(rng, (*batch, length), mask)
    # The sum of both projections is of size 1 or so, where tanh bends.
    params = {
        "query_proj.kernel": draw(d_query, d_attention) / d_query**0.5,
        "key_proj.kernel": draw(d_key, d_attention) / d_key**0.5,
        "score.kernel": draw(d_attention, 1) * gain / d_attention**0.5,
    }
    if lift:
        _lift(call, params, lift)
    if huge:
        _make_huge(call, params)
    cast = {
        name: array if array is None or array.dtype == bool else array.astype(dtype) for name, array in call.items()
    }
    return ModuleInputs(
        init=dict(d_query=d_query, d_key=d_key, d_attention=d_attention),
        params={name: array.astype(dtype) for name, array in params.items()},
        call=cast,
    )


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


def _lift(call, params, lift):
    """The first two hidden units are sure of themselves: one by the first feature of the query, which differs from
    sequence to sequence, and one by that of a key, which says whether it is hidden."""
    query, keys, real = call["query"], call["keys"], call.get("mask")
    query[..., 0] = np.where(np.arange(query[..., 0].size).reshape(query.shape[:-1]) % 2, 1.0, -1.0)
    keys[..., 0] = -1.0 if real is None else np.where(real, -1.0, 1.0)
    for unit, name in enumerate(("query_proj.kernel", "key_proj.kernel")):
        params[name][0], params[name][:, :2] = 0.0, 0.0
        params[name][0, unit] = SURE
    params["score.kernel"][:2, 0] = 2 * lift, lift


def _make_huge(call, params):
    """Every feature of the first hidden key is huge, of either sign, and so is what it adds to a hidden unit: the sum
    has no size that a float32 can hold, or is no number at all."""
    hidden = ~call["mask"]
    first = (hidden & (hidden.cumsum(-1) == 1))[..., None]
    call["keys"] = np.where(first, HUGE * np.sign(call["keys"]), call["keys"] / 4)
    kernel = params["key_proj.kernel"]
    kernel[...] = np.sign(kernel) * np.maximum(np.abs(kernel), 1.25)


# everything fits everywhere, so that a mix-up shows in the values
SQUARE = dict(d_query=5, d_key=5, d_attention=5, length=5)
UNEQUAL = dict(d_query=3, d_key=5, d_attention=4, length=6)
# a context of projected keys has the right shape
AS_WIDE = dict(d_query=6, d_key=4, d_attention=4, length=7)
# of one key the weight is 1, whatever its score
UNSEEN = ("query", "query_proj.kernel", "key_proj.kernel", "score.kernel", "keys under grad")
VALUES = ("eager", "jit")

ENTRIES = [
    Module(
        "AdditiveAttention",
        inputs,
        cases={
            "one key": Case(d_query=3, d_key=4, d_attention=2, length=1, idle=UNSEEN, under=("eager", "grad")),
            "several keys": Case(**UNEQUAL),
            "keys as wide as the attention": Case(**AS_WIDE, under=("eager",)),
            "every width and the length the same": Case(**SQUARE, under=("eager", "grad")),
            "a mask with holes": Case(**AS_WIDE, mask="holes"),
            "as many sequences as keys": Case(**SQUARE, batch=(5,), mask="None", under=VALUES),
            "scores in the hundreds": Case(**AS_WIDE, batch=(2,), lift=200.0, under=("eager", "grad")),
            "scores of hidden keys hundreds above the others": Case(
                **UNEQUAL, batch=(2,), mask="holes", lift=200.0, under=("eager", "grad")
            ),
            # Most numbers that people put in the place of a hidden score are above these.
            "visible scores of -30 000": Case(**UNEQUAL, mask="holes", lift=1e4, under=("eager",)),
            "numbers of 3e38 at a hidden key": Case(
                d_query=3, d_key=8, d_attention=6, length=9, mask="holes", huge=True, under=VALUES
            ),
            "a batch of one": Case(**UNEQUAL, batch=(1,), mask="holes", under=("eager",)),
            "every axis of length one": Case(
                d_query=1, d_key=1, d_attention=1, length=1, batch=(1,), idle=UNSEEN, under=("eager", "grad")
            ),
            # Nothing but zeros comes of it.
            "every key hidden": Case(**UNEQUAL, mask="empty", idle=("keys", *UNSEEN), under=("eager", "grad")),
            "one sequence of a batch hidden entirely": Case(
                **SQUARE, batch=(5,), mask="holes, one empty", under=("eager", "grad")
            ),
            "two batch dimensions, one sequence hidden entirely": Case(
                d_query=7, d_key=6, d_attention=9, length=3, batch=(2, 3), mask="holes, one empty"
            ),
            "bfloat16": Case(
                d_query=8,
                d_key=6,
                d_attention=6,
                length=5,
                batch=(2,),
                mask="holes",
                gain=6.0,
                dtype=ml_dtypes.bfloat16,
                under=VALUES,
            ),
        },
    ),
]
