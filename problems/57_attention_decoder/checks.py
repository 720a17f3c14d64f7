"""57 · The ladder of cases for `AttentionDecoder`. Source: Bahdanau et al. 2014, section 3.1 and appendix A.2.2, with
the gates as libraries have them."""

import numpy as np

from grader.course import Case, Growth, Module, ModuleInputs

PART = "Before the transformer"
SURE = 20.0  # tanh of it is 1 to the last bit of a float32
HUGE = 3e38


def inputs(
    rng,
    vocab_size,
    d_embed,
    d_hidden,
    d_key,
    d_attention,
    length,
    num_keys,
    mask="left out",
    zeros=False,
    lift=0.0,
    huge=False,
    first=0,
):
    """`mask` says what the call holds. With `zeros` the first state is one of zeros. With `lift` visible keys score so
    much lower, and hidden ones so much higher. With `huge` the first hidden key is so. With `first` it is for the
    driver: after so many tokens the rest comes one by one."""

    def draw(*shape):
        return rng.standard_normal(shape)

    def kernel(d_in, d_out, gain=1.0):
        return draw(d_in, d_out) * gain / d_in**0.5

    # Every word comes about as often as any other, and the first one of a sentence is not always word 0.
    tokens = rng.permuted((rng.integers(vocab_size) + np.arange(length)) % vocab_size)
    # The state is one that no step could have left: a tanh never gives so much.
    state = np.zeros(d_hidden) if zeros else 1.5 * draw(d_hidden)
    call = dict(tokens=tokens.astype(np.int32), keys=draw(num_keys, d_key), state=state)
    if mask != "left out":
        call["mask"] = None if mask == "None" else _mask(rng, num_keys, mask)
    # The weights lean to few keys, and to others as the state moves on.
    params = {
        "embed.embedding": draw(vocab_size, d_embed),
        "attention.query_proj.kernel": kernel(d_hidden, d_attention, 2.0),
        "attention.key_proj.kernel": kernel(d_key, d_attention),
        "attention.score.kernel": kernel(d_attention, 1, 4.0),
        "input_gates.kernel": kernel(d_embed + d_key, 3 * d_hidden, 1.5),
        "hidden_gates.kernel": kernel(d_hidden, 3 * d_hidden, 1.5),
        "logits.kernel": kernel(d_hidden + d_key, vocab_size),
    }
    if lift:
        _lift(call, params, lift)
    if huge:
        _make_huge(call, params)
    call = {name: array.astype(np.float32) if is_float(array) else array for name, array in call.items()}
    params = {path: array.astype(np.float32) for path, array in params.items()}
    if first:
        return dict(params=params, **call, first=first)
    init = dict(vocab_size=vocab_size, d_embed=d_embed, d_hidden=d_hidden, d_key=d_key, d_attention=d_attention)
    return ModuleInputs(init=init, params=params, call=call)


def is_float(array):
    return array is not None and array.dtype.kind == "f"


def _mask(rng, num_keys, kind):
    """True and False anywhere, both at least once; or nothing but False."""
    mask = rng.random(num_keys) < 0.6
    seen, hidden = rng.choice(num_keys, 2, replace=False)
    mask[seen], mask[hidden] = True, False
    return mask & (kind != "empty")


def _lift(call, params, lift):
    """The first hidden unit of the attention is sure of itself, by the first feature of a key, which says whether it is
    hidden."""
    call["keys"][:, 0] = np.where(call["mask"], -1.0, 1.0)
    for name in ("query_proj", "key_proj"):
        params[f"attention.{name}.kernel"][:, 0] = 0.0
    params["attention.key_proj.kernel"][0] = 0.0
    params["attention.key_proj.kernel"][0, 0] = SURE
    params["attention.score.kernel"][0] = lift


def _make_huge(call, params):
    """Every feature of the first hidden key is huge, of either sign, and so is what it adds to a hidden unit: the sum
    has no size that a float32 can hold, or is no number at all."""
    first = np.argmin(call["mask"])
    call["keys"] /= 4
    call["keys"][first] = HUGE * np.sign(call["keys"][first])
    kernel = params["attention.key_proj.kernel"]
    kernel[...] = np.sign(kernel) * np.maximum(np.abs(kernel), 1.25)


UNEQUAL = dict(vocab_size=7, d_embed=3, d_hidden=5, d_key=4, d_attention=6)
# what is exchanged, or stands in another order, has the right shape
AS_WIDE = dict(vocab_size=6, d_embed=4, d_hidden=4, d_key=4, d_attention=3)
SQUARE = dict(vocab_size=5, d_embed=5, d_hidden=5, d_key=5, d_attention=5, length=5, num_keys=5)
# `nnx.Embed` of a single word refuses a token without axes.
ONES = dict(vocab_size=2, d_embed=1, d_hidden=1, d_key=1, d_attention=1, length=1, num_keys=1)
# of one key the weight is 1, whatever its score; of none it is 0
UNSEEN = tuple(f"attention.{name}.kernel" for name in ("query_proj", "key_proj", "score"))
VALUES = ("eager", "jit")
SLOPES = ("eager", "grad")
LONG = dict(vocab_size=8, d_embed=4, d_hidden=6, d_key=5, d_attention=3, num_keys=7)

ENTRIES = [
    Module(
        "AttentionDecoder",
        inputs,
        cases={
            # The past says nothing yet: neither layer that reads the state has a part in it.
            "one token, one key, a state of zeros": Case(
                **UNEQUAL,
                length=1,
                num_keys=1,
                zeros=True,
                idle=(*UNSEEN, "hidden_gates.kernel"),
                under=("eager",),
            ),
            "one token, one key": Case(**UNEQUAL, length=1, num_keys=1, idle=UNSEEN, under=("eager",)),
            "one token, several keys": Case(**UNEQUAL, length=1, num_keys=6, under=("eager",)),
            "two tokens": Case(**AS_WIDE, length=2, num_keys=3, under=("eager",)),
            "several tokens, one key": Case(**AS_WIDE, length=4, num_keys=1, idle=UNSEEN, under=("eager",)),
            "several tokens and keys": Case(**UNEQUAL, length=4, num_keys=6),
            "more tokens than keys, equal widths": Case(**AS_WIDE, length=7, num_keys=3, under=SLOPES),
            "every size the same": Case(**SQUARE, mask="None", under=VALUES),
            "a mask with holes": Case(**AS_WIDE, length=5, num_keys=7, mask="holes"),
            "scores of hidden keys hundreds above the others": Case(
                **UNEQUAL, length=3, num_keys=6, mask="holes", lift=200.0, under=("eager",)
            ),
            "numbers of 3e38 at a hidden key": Case(
                **UNEQUAL, length=3, num_keys=6, mask="holes", huge=True, under=VALUES
            ),
            "every key hidden": Case(
                **UNEQUAL, length=4, num_keys=5, mask="empty", idle=("keys", *UNSEEN), under=SLOPES
            ),
            "two words, every axis of length one": Case(**ONES, idle=UNSEEN, under=SLOPES),
            "a few tokens, then one at a time": Case(
                **AS_WIDE, length=6, num_keys=5, mask="holes", first=3, driver="in_parts", under=VALUES
            ),
            # Far above every width. Of a loop in Python the compiled program would be long, before anyone says so.
            "50 tokens": Case(**LONG, length=50, under=("jit",)),
            "100 tokens": Case(**LONG, length=100, under=()),
        },
        proofs=[
            Growth(
                "the same program for more tokens",
                "The program must not grow with T, nor may its loop be unrolled.",
                ["50 tokens", "100 tokens"],
                of="equations",
                exponent=0.0,
                length=lambda length, **_: length,
                limit=lambda **_: 300,
                rolled=True,
            ),
        ],
    ),
]
