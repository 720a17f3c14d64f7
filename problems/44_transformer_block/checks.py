"""44 · The ladders of cases for the two feed-forward networks and the block. Sources: Vaswani et al. 2017, equation 2;
Shazeer 2020, equation 6; Xiong et al. 2020."""

import dataclasses

import ml_dtypes
import numpy as np

from grader.course import Case, Denominators, Module, ModuleInputs, Relation

PART = "A language model"


def feed_forward(rng, d_model, d_ff, length, batch=(), gain=1.0, layers=("up",), dtype=np.float32, positive=False):
    """`gain` stretches the layers that lead into the hidden units; `positive` numbers leave every unit open."""

    def draw(*shape):
        return abs(rng.standard_normal(shape)) if positive else rng.standard_normal(shape)

    params = {f"{name}.kernel": draw(d_model, d_ff) * gain / d_model**0.5 for name in layers}
    params["down.kernel"] = draw(d_ff, d_model) / d_ff**0.5
    return ModuleInputs(
        init=dict(d_model=d_model, d_ff=d_ff),
        params={name: array.astype(dtype) for name, array in params.items()},
        call=dict(x=draw(*batch, length, d_model).astype(dtype)),
    )


def gated(rng, **sizes):
    return feed_forward(rng, layers=("gate", "up"), **sizes)


def block(
    rng,
    d_model,
    num_heads,
    d_ff,
    length,
    batch=(),
    size=2.0,
    empty=None,
    lift=0.0,
    rise=0.0,
    dtype=np.float32,
):
    """`size` is that of the numbers of a token; the tokens at `empty` hold zeros. With `rise` each pair of keys scores
    that much more than the one before, for every query, and `lift` is added to every score."""
    x = size * (rng.standard_normal((*batch, length, d_model)) + 0.5)  # a mean that a LayerNorm would take off
    params = {f"attn.{name}.kernel": (d_model, d_model) for name in ("q_proj", "k_proj", "v_proj", "o_proj")}
    params |= {"mlp.gate.kernel": (d_model, d_ff), "mlp.up.kernel": (d_model, d_ff), "mlp.down.kernel": (d_ff, d_model)}
    params = {name: rng.standard_normal(shape) / shape[0] ** 0.5 for name, shape in params.items()}
    params |= {f"{name}.scale": rng.uniform(0.4, 1.8, d_model) for name in ("attn_norm", "mlp_norm")}
    if empty is not None:
        x[..., empty, :] = 0.0
    if rise:
        _raise(x, params, d_model // num_heads, lift, rise)
    return ModuleInputs(
        init=dict(d_model=d_model, num_heads=num_heads, d_ff=d_ff),
        params={name: array.astype(dtype) for name, array in params.items()},
        call=dict(x=x.astype(dtype)),
    )


def _raise(x, params, width, lift, rise):
    """After its norm the first feature of each token is 1 and the second the number of its pair, and these alone make
    the first feature of each head of a query and of a key."""
    x[..., 0], x[..., 1] = 1.0, np.arange(x.shape[-2]) // 2
    rest = x[..., 2:]
    rest *= np.sqrt((x.shape[-1] - (x[..., :2] ** 2).sum(-1)) / (rest**2).sum(-1))[..., None]
    params["attn_norm.scale"][:2] = 1.0
    for name, rows in (("q_proj", (width**0.5, 0.0)), ("k_proj", (lift, rise))):
        kernel = params[f"attn.{name}.kernel"]
        kernel[:2], kernel[:, ::width] = 0.0, 0.0
        kernel[:2, ::width] = np.array(rows)[:, None]


def change_what_is_later(rng, inputs):
    """Changes tokens that the first ones do not see."""
    x = inputs.call["x"]
    last = x.shape[-2] - 1

    def after(first, tokens):
        changed = x.copy()
        changed[..., first:, :] = tokens
        return dataclasses.replace(inputs, call=dict(x=changed))

    def draw(count):
        return rng.standard_normal((*x.shape[:-2], count, x.shape[-1])).astype(np.float32)

    yield f"token {last} is another one", after(last, draw(1))
    yield "every token but the first is another one", after(1, draw(last))
    yield "every number after the first token is 1e15 or -1e15", after(1, np.float32(1e15) * np.sign(draw(last)))


def earlier_rows_changed(arrays, output, label, changed_arrays, changed_output):
    """Each row before the first changed token, where it differs in any bit; NaN is the same as NaN, since values are
    judged elsewhere."""
    moved = (arrays["x"] != changed_arrays["x"]).any(axis=-1)
    same = (output == changed_output) | (np.isnan(output) & np.isnan(changed_output))
    return (moved.cumsum(axis=-1) == 0) & ~same.all(axis=-1)


ONE = dict(d_model=6, num_heads=2, d_ff=10, length=1)
SEVERAL = dict(d_model=12, num_heads=3, d_ff=12, length=5)
# of one token the weight is 1, whatever its score
UNSEEN = ("attn.q_proj.kernel", "attn.k_proj.kernel")
VALUES = ("eager", "jit")
HALF = ["bfloat16", "float16"]

ENTRIES = [
    Module(
        "FeedForward",
        feed_forward,
        cases={
            "one token": Case(d_model=3, d_ff=5, length=1),
            "square kernels": Case(d_model=6, d_ff=6, length=4),
            "hidden units in the tens": Case(d_model=6, d_ff=4, length=4, gain=15.0),
            "every axis of length one": Case(d_model=1, d_ff=1, length=1, batch=(1,), positive=True),
            "two batch dimensions": Case(d_model=5, d_ff=20, length=4, batch=(2, 3)),
            "bfloat16": Case(d_model=8, d_ff=16, length=3, dtype=ml_dtypes.bfloat16, under=VALUES),
        },
    ),
    Module(
        "GatedFeedForward",
        gated,
        cases={
            "one token": Case(d_model=3, d_ff=5, length=1),
            "square kernels": Case(d_model=6, d_ff=6, length=4),
            "gates in the hundreds": Case(d_model=6, d_ff=4, length=4, gain=150.0),
            "every axis of length one": Case(d_model=1, d_ff=1, length=1, batch=(1,)),
            "two batch dimensions": Case(d_model=5, d_ff=20, length=4, batch=(2, 3)),
            "bfloat16": Case(d_model=8, d_ff=16, length=3, dtype=ml_dtypes.bfloat16, under=VALUES),
        },
    ),
    Module(
        "TransformerBlock",
        block,
        cases={
            "one token": Case(**ONE, idle=UNSEEN),
            # So small that the epsilon of the norm counts: the mean of its squares is about 1e-4.
            "one token, close to zero": Case(**ONE, size=1e-2, under=("eager", "grad"), idle=UNSEEN),
            "several tokens, one head": Case(d_model=6, num_heads=1, d_ff=10, length=4),
            "square kernels": Case(**SEVERAL),
            "later tokens score hundreds higher": Case(**SEVERAL, lift=-900.0, rise=150.0, under=("eager", "grad")),
            "two batch dimensions, tokens of zeros": Case(
                d_model=8, num_heads=4, d_ff=20, length=3, batch=(2, 3), empty=1, under=("eager", "jit", "vmap")
            ),
            "every axis of length one": Case(
                d_model=1,
                num_heads=1,
                d_ff=1,
                length=1,
                batch=(1,),
                under=("eager", "jit", "grad"),
                idle=(*UNSEEN, "x under grad"),
            ),
            "bfloat16": Case(
                d_model=16, num_heads=2, d_ff=24, length=6, size=4.0, dtype=ml_dtypes.bfloat16, under=VALUES
            ),
            # Only traced: the library's attention has no float16 that a CPU would compile.
            "float16": Case(d_model=8, num_heads=2, d_ff=20, length=3, dtype=np.float16, under=()),
        },
        relations=[
            Relation(
                name="nothing later is seen",
                rule="A change of a later token never changes an earlier row, not even in its last bit.",
                vary=change_what_is_later,
                broken=earlier_rows_changed,
                case="square kernels",
            ),
        ],
        proofs=[
            Denominators("norms in float32", "The norms compute in float32, whatever the tokens are.", HALF),
            Denominators(
                "softmax in float32",
                "The softmax computes in float32, whatever the tokens are.",
                HALF,
                within="softmax",
            ),
        ],
    ),
]
