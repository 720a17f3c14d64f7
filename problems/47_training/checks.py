"""47 · The ladders of cases for the loss, the optimizer and the update. Sources: Radford et al. 2018, section 3.1;
Loshchilov and Hutter 2017 and 2019."""

import ml_dtypes
import numpy as np

from grader.course import Case, Function, Given, Growth, Largest

PART = "A language model"


def loss_inputs(rng, length, vocab_size=5, batch=(), counts="some", gain=1.0, ramp=0.0, dtype=np.float32):
    """`counts` is which targets count: all, none, some, or uneven: one of the first sequence, all of the others. With
    a `ramp` all losses are large and alike: a sum of many loses what a short format cannot hold."""
    tokens = rng.integers(vocab_size, size=(*batch, length), dtype=np.int32)
    logits = gain * rng.standard_normal((*batch, length, vocab_size))
    if ramp:
        np.put_along_axis(logits[..., :-1, :], tokens[..., 1:, None], -ramp, axis=-1)
    mask = rng.random((*batch, length)) < 0.6
    if length > 2:
        mask[..., 1], mask[..., 2] = True, False  # each sequence has one that counts, and one that does not
    mask[..., 0] = rng.random(batch) < 0.5 if batch else length % 2 == 0
    if counts == "uneven":
        mask[0], mask[1:] = np.arange(length) == 1, True
    elif counts != "some":
        mask[...] = counts == "all"
    return dict(logits=logits.astype(dtype), tokens=tokens, mask=mask)


# Where the number of dimensions decides what decays: none, a bias, a kernel, and norm scales that 45 stacked.
SHAPES = dict(temperature=(), bias=(3,), kernel=(2, 3), stacked=(2, 2, 2))
DECAYING = ("kernel", "stacked")


def optimizer_inputs(
    rng, steps, warmup_steps=0, total_steps=20, weight_decay=0.0, norms=(1.0,), max_norm=1e3, still=False
):
    """Gradients whose global norms are `norms`, one after the other, again and again. Adam does not see how large a
    gradient is, only how it compares with those before. With `still` parameters stand that no gradient moves."""

    def draw(*shape):
        return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)

    params = {name: draw(*shape).astype(np.float32) for name, shape in SHAPES.items()}
    gradients = {name: draw(steps, *shape) for name, shape in SHAPES.items()}
    if still:
        gradients["kernel"][...] = gradients["bias"][...] = 0.0
    for step in range(steps):
        norm = sum((array[step] ** 2).sum() for array in gradients.values()) ** 0.5
        for array in gradients.values():
            array[step] *= norms[step % len(norms)] / norm
    return dict(
        params=params,
        gradients={name: array.astype(np.float32) for name, array in gradients.items()},
        peak_rate=0.1,
        warmup_steps=warmup_steps,
        total_steps=total_steps,
        weight_decay=weight_decay,
        max_norm=max_norm,
    )


def step_inputs(
    rng,
    micro,
    batch,
    length,
    steps=1,
    vocab_size=5,
    width=3,
    make="Bigrams",
    counts="some",
    transformation="momentum",
    compiled=False,
):
    """Micro-batches of which each has another number of targets. `counts` is as in `loss_inputs`; of "one idle" the
    second micro-batch has none."""

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    shape = (steps, micro, batch, length)
    tokens, mask = rng.integers(vocab_size, size=shape, dtype=np.int32), rng.random(shape) < 0.5
    mask[:, ::2] |= rng.random(shape)[:, ::2] < 0.8  # many targets in one micro-batch, few in the next
    mask[..., 0] = rng.random(shape[:-1]) < 0.5
    mask[..., 1] |= np.arange(micro)[:, None] % 2 == 0
    if counts == "one idle":
        mask[:, 1] = False
    elif counts != "some":
        mask[...] = counts == "all"
    params = (
        dict(table=draw(vocab_size, vocab_size))
        if make.endswith("Bigrams")
        else dict(
            embedding=draw(vocab_size, width),
            scale=1 + 0.1 * draw(width),
            kernel=draw(width, vocab_size),
            bias=draw(vocab_size),
        )
    )
    return dict(
        make=Given(make),
        params=params,
        tokens=tokens,
        mask=mask,
        transformation=Given(transformation),
        rate=0.3,
        compiled=compiled,
    )


def updates(**sizes):
    return Case(driver="updates", under=("eager", "jit"), **sizes)


def trained(*under, **sizes):
    return Case(driver="trained", under=under or ("eager", "jit"), **sizes)


SHOWN = ("mask: all True",)
MANY = dict(batch=1, length=3, counts="all", idle=SHOWN)

ENTRIES = [
    Function(
        "next_token_loss",
        loss_inputs,
        cases={
            "two tokens": Case(length=2, counts="all", idle=SHOWN),
            "several tokens, all count": Case(length=5, counts="all", idle=SHOWN),
            "several tokens, some count": Case(length=6),
            "sequences of which one has a single target": Case(length=4, batch=(3,), counts="uneven"),
            "two batch dimensions": Case(length=5, batch=(2, 3), vocab_size=4),
            "large logits": Case(length=5, batch=(2,), gain=200.0),
            "none counts": Case(length=4, batch=(2,), counts="none", idle=("logits", "tokens")),
            "the slopes where none counts": Case(
                driver="slopes", length=4, batch=(2,), counts="none", idle=("logits", "tokens"), under=("eager",)
            ),
            "one token, which has none before it": Case(
                length=1, batch=(2,), counts="all", idle=("logits", "tokens", "mask"), under=("eager", "grad")
            ),
            "bfloat16, many tokens": Case(
                length=400, counts="all", ramp=40.0, dtype=ml_dtypes.bfloat16, under=("eager", "jit"), idle=SHOWN
            ),
        },
    ),
    Function(
        "make_optimizer",
        optimizer_inputs,
        cases={
            # Adam's first step has the sign of the gradient, and nothing else of it
            "one update": updates(steps=1, idle=("gradients.temperature: redrawn", "total_steps")),
            "several updates": updates(steps=6, idle=("again",)),
            "a warm-up": updates(steps=5, warmup_steps=3, total_steps=9),
            "to the end and beyond": updates(steps=6, warmup_steps=1, total_steps=4),
            "decay": updates(steps=3, weight_decay=0.5, still=True),
            "decay in a warm-up": updates(steps=4, warmup_steps=2, total_steps=5, weight_decay=0.5),
            "gradients of which some are too long": updates(steps=6, norms=(0.1, 1.6, 0.2, 0.6), max_norm=0.2),
        },
    ),
    Function(
        "train_step",
        step_inputs,
        cases={
            "one sequence": trained(micro=1, batch=1, length=3, counts="all", idle=SHOWN),
            "one micro-batch": trained(micro=1, batch=3, length=4),
            "two micro-batches": trained(micro=2, batch=2, length=4),
            "three updates": trained(micro=3, batch=2, length=4, steps=3, make="Averages"),
            "three updates in nnx.jit": trained(
                "eager", micro=3, batch=2, length=4, steps=3, make="Averages", compiled=True
            ),
            "a micro-batch in which none counts": trained(micro=3, batch=2, length=3, steps=2, counts="one idle"),
            "none counts": trained(micro=2, batch=1, length=3, steps=2, counts="none", idle=("tokens",)),
            "AdamW": trained(micro=2, batch=2, length=4, steps=3, make="Averages", transformation="adamw"),
            "logits in bfloat16": Case(
                driver="measured", under=("eager", "jit"), micro=2, batch=2, length=4, make="HalfBigrams"
            ),
            "64 micro-batches": trained("jit", micro=64, **MANY),
            "128 micro-batches": trained("jit", micro=128, **MANY),
        },
        proofs=[
            Growth(
                "the same program for more micro-batches",
                "The program must not grow with M.",
                ["64 micro-batches", "128 micro-batches"],
                of="equations",
                exponent=0.0,
                length=lambda micro, **_: micro,
                limit=lambda **_: 600,
            ),
            Largest(
                "nothing is kept for every micro-batch",
                "What grows with M may have no more elements than `tokens`.",
                ["128 micro-batches"],
                limit=lambda micro, batch, length, **_: micro * batch * length + 1,
            ),
        ],
        idle=("compiled",),
    ),
]
