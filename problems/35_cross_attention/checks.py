"""35 · The ladder of cases for `CrossAttention`. Source: Vaswani et al. 2017, section 3.2.3."""

import dataclasses

import ml_dtypes
import numpy as np

from grader.course import Case, Module, ModuleInputs, Relation

PART = "The core"


def inputs(
    rng, d_model, d_context, num_heads, t_q, t_k, batch=(), mask="left out", lift=0.0, alike=False, dtype=np.float32
):
    """`mask` says what the call holds; "holes, last empty" leaves the last sequence of the batch without a key. `lift`
    is taken from the scores of the visible keys of even queries and added to those of their hidden ones (of all keys,
    where nothing is hidden), and the other way round for odd queries; with `alike` there is nothing else in a score."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    call = dict(x=draw(*batch, t_q, d_model), context=draw(*batch, t_k, d_context))
    if mask != "left out":
        call["context_mask"] = None if mask == "None" else _mask(rng, (*batch, t_k), mask)
    # At this size a projection keeps the size of its input.
    widths = dict(q_proj=d_model, k_proj=d_context, v_proj=d_context, o_proj=d_model)
    params = {
        f"{name}.kernel": (draw(width, d_model) / width**0.5).astype(np.float32) for name, width in widths.items()
    }
    if lift:
        _lift(call, params, num_heads, lift, alike)

    def cast(arrays):
        return {
            name: array if array is None or array.dtype == bool else array.astype(dtype)
            for name, array in arrays.items()
        }

    return ModuleInputs(
        init=dict(d_model=d_model, d_context=d_context, num_heads=num_heads), params=cast(params), call=cast(call)
    )


def _lift(call, params, num_heads, lift, alike):
    """Makes the first feature of each head of a query ±sqrt(H) and of a key ±`lift`, by the first feature of `x` and
    `context` alone."""
    real, width = call.get("context_mask"), len(params["q_proj.kernel"]) // num_heads
    call["x"][..., 0] = np.where(np.arange(call["x"].shape[-2]) % 2, 1.0, -1.0)
    call["context"][..., 0] = 1.0 if real is None else np.where(real, 1.0, -1.0)
    for name, size in {"q_proj.kernel": width**0.5, "k_proj.kernel": lift}.items():
        if alike:
            params[name][:] = 0.0
        params[name][0], params[name][:, ::width] = 0.0, 0.0
        params[name][0, ::width] = size


def _mask(rng, shape, kind):
    """True and False anywhere, both in every row; the first and the last token are as likely to be hidden as any
    other."""
    rows = (rng.random(shape) < 0.6).reshape(-1, shape[-1])
    for row in rows:
        seen, hidden = rng.choice(shape[-1], 2, replace=False)
        row[seen], row[hidden] = True, False
    if kind == "holes, last empty":
        rows[-1] = False
    elif kind == "empty":
        rows[:] = False
    return rows.reshape(shape)


def change_what_is_masked(rng, inputs):
    """Changes context tokens that no query may attend to, in each sequence of the batch."""
    context, hidden = inputs.call["context"], ~inputs.call["context_mask"]

    def draw():
        return rng.standard_normal(context.shape).astype(np.float32)

    def with_tokens(where, tokens):
        changed = np.where(where[..., None], tokens, context).astype(np.float32)
        return dataclasses.replace(inputs, call={**inputs.call, "context": changed})

    first = hidden & (hidden.cumsum(-1) == 1)
    yield "the first masked token of each context is another one", with_tokens(first, draw())
    yield "every masked token is another one", with_tokens(hidden, draw())
    # Keys, values and scores up to about 1e37 are finite, and far above the -1e9 or -1e30 that people add to hide a
    # key.
    yield "every number in a masked token is 1e36 or -1e36", with_tokens(hidden, np.float32(1e36) * np.sign(draw()))


def rows_changed(arrays, output, label, changed_arrays, changed_output):
    """Each row that differs; NaN is the same as NaN, since values are judged elsewhere."""
    same = (output == changed_output) | (np.isnan(output) & np.isnan(changed_output))
    return (~same).any(axis=-1)


# everything fits everywhere, so that a mix-up shows in the values
SQUARE = dict(d_model=12, d_context=12, num_heads=3, t_q=5, t_k=5)
UNEQUAL = dict(d_model=12, d_context=10, num_heads=3, t_q=4, t_k=7)
# Heads of width 4 have the scale 1/2: dividing by 2 is exact, so that a wrong answer to huge scores is the same
# compiled and not.
BATCHES = dict(d_model=20, d_context=14, num_heads=5, t_q=6, t_k=17, batch=(2, 3), mask="holes, last empty")

ENTRIES = [
    Module(
        "CrossAttention",
        inputs,
        cases={
            "one context token": Case(
                d_model=8,
                d_context=6,
                num_heads=2,
                t_q=3,
                t_k=1,
                mask="None",
                idle=("x", "q_proj.kernel", "k_proj.kernel"),
            ),
            "a context of the same size as x": Case(**SQUARE),
            "unequal sizes, and a mask with holes": Case(**UNEQUAL, mask="holes"),
            "as many queries as context tokens, and a mask with holes": Case(**SQUARE, mask="holes"),
            "large logits": Case(**SQUARE, lift=200.0),
            "large logits, those of hidden keys hundreds above the others": Case(**UNEQUAL, mask="holes", lift=200.0),
            # Any number of ordinary size in the place of a hidden score wins here. Visible scores are equal, so that
            # nothing is rounded.
            "visible scores of -500 000": Case(
                **UNEQUAL, mask="holes", lift=5e5, alike=True, under=("eager", "jit"), idle=("x", "q_proj.kernel")
            ),
            "one query, and a batch of one": Case(**UNEQUAL | dict(t_q=1), batch=(1,), mask="holes"),
            "every axis of length one": Case(
                d_model=1,
                d_context=1,
                num_heads=1,
                t_q=1,
                t_k=1,
                batch=(1,),
                idle=("x", "q_proj.kernel", "k_proj.kernel"),
            ),
            # Nothing but zeros comes of it.
            "every context token masked": Case(
                **UNEQUAL,
                mask="empty",
                idle=("x", "context", "q_proj.kernel", "k_proj.kernel", "v_proj.kernel", "o_proj.kernel"),
            ),
            "one batch dimension, one context masked entirely": Case(
                **UNEQUAL | dict(num_heads=6), batch=(2,), mask="holes, last empty"
            ),
            "two batch dimensions, one context masked entirely": Case(**BATCHES),
            "bfloat16": Case(**UNEQUAL, mask="holes", dtype=ml_dtypes.bfloat16, under=("eager",)),
        },
        relations=[
            Relation(
                name="nothing masked is seen",
                rule="What stands at a masked context token never reaches any row, however large, as long as its "
                "keys, values and scores are finite.",
                vary=change_what_is_masked,
                broken=rows_changed,
                case="two batch dimensions, one context masked entirely",
            ),
        ],
    ),
]
