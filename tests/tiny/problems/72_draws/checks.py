"""72 · Draws from a softmax: keys cross as data, and frequencies are judged."""

import numpy as np

from grader.course import Apart, Case, Frequencies, Function, Key


def inputs(rng, batch=(), vocabulary=4, temperature=1.0, certain=False):
    logits = rng.standard_normal((*batch, vocabulary)).astype(np.float32)
    if certain:
        logits[..., 2] = 1e4
    return dict(key=Key.drawn(rng), logits=logits, temperature=np.float32(temperature))


def probabilities(inputs):
    scaled = inputs["logits"].astype(np.float64) / inputs["temperature"]
    weights = np.exp(scaled - scaled.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


VALUES = ("eager", "jit", "vmap")  # an index has no gradient
ENTRIES = [
    Function(
        "draw",
        inputs,
        {
            "one row": Case(under=VALUES, temperature=0.2),
            "a batch": Case(under=VALUES, batch=(3,), temperature=0.5),
            "certain": Case(under=VALUES, batch=(2,), certain=True, drawn=False, idle=("temperature",)),
        },
        statistics=[
            Frequencies(
                "as often as the softmax says",
                "Each index is drawn as often as its probability says.",
                "one row",
                probabilities,
            ),
            Frequencies(
                "as often in a batch",
                "Each row of a batch is drawn by its own probabilities.",
                "a batch",
                probabilities,
            ),
            Apart("rows are independent", "Each row of a batch is drawn on its own.", "a batch", probabilities),
        ],
    )
]
