"""57 · A recurrent decoder with attention: one step after another, one feature of the state at a time."""

import math

import numpy as np

from tests.oracles.attention import softmax


def sigmoid(x):
    return (1 + math.tanh(x / 2)) / 2


def through(kernel, *vectors):
    """What a layer without bias gives for vectors side by side."""
    values = [float(value) for vector in vectors for value in vector]
    return [math.fsum(a * b for a, b in zip(values, column, strict=True)) for column in kernel.T]


class AttentionDecoder:
    def __init__(self, vocab_size, d_embed, d_hidden, d_key, d_attention):
        kernels = {
            "attention.query_proj": (d_hidden, d_attention),
            "attention.key_proj": (d_key, d_attention),
            "attention.score": (d_attention, 1),
            "input_gates": (d_embed + d_key, 3 * d_hidden),
            "hidden_gates": (d_hidden, 3 * d_hidden),
            "logits": (d_hidden + d_key, vocab_size),
        }
        self.variables = [
            ("embed.embedding", "Param", (vocab_size, d_embed), "float32"),
            *((f"{name}.kernel", "Param", shape, "float32") for name, shape in kernels.items()),
        ]

    def __call__(self, params, tokens, keys, state, mask=None):
        logits, weights, state = [], [], [float(value) for value in state]
        for token in tokens:
            context, row = look(params, state, keys, mask)
            state = moved(params, state, [*params["embed.embedding"][token], *context])
            logits.append(through(params["logits.kernel"], state, context))
            weights.append(row)
        return np.array(logits), np.array(weights), np.array(state)


def look(params, state, keys, mask):
    """The context for a state, and the weights of all keys."""
    weights = np.zeros(len(keys))
    seen = [s for s in range(len(keys)) if mask is None or mask[s]]
    weights[seen] = softmax(np.array([score(params, state, keys[s]) for s in seen]))
    context = [math.fsum(weights[s] * float(keys[s][feature]) for s in seen) for feature in range(keys.shape[1])]
    return context, weights


def score(params, query, key):
    asked = through(params["attention.query_proj.kernel"], query)
    offered = through(params["attention.key_proj.kernel"], key)
    (told,) = through(params["attention.score.kernel"], [math.tanh(a + b) for a, b in zip(asked, offered)])
    return told


def moved(params, state, read):
    """The state after a step. The gates stand side by side: all of r, all of z, all of n."""
    x, h = through(params["input_gates.kernel"], read), through(params["hidden_gates.kernel"], state)
    width, new = len(state), []
    for i, old in enumerate(state):
        r = sigmoid(x[i] + h[i])
        z = sigmoid(x[width + i] + h[width + i])
        n = math.tanh(x[2 * width + i] + r * h[2 * width + i])
        new.append((1 - z) * n + z * old)
    return new


def in_parts(params, tokens, keys, state, mask, first):
    """The first tokens, and the others, of each what a call for one token gives: all are steps of one text."""
    logits, weights, state = AttentionDecoder.__call__(None, params, tokens, keys, state, mask)
    one_by_one = logits[first:, None], weights[first:, None]
    return {"first": (logits[:first], weights[:first]), "others": one_by_one, "state": state}
