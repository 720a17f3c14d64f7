"""61 · Three readings of attention by their definitions, one weight at a time."""

import math

import numpy as np

FLOAT32 = np.dtype(np.float32)


def attention_rollout(weights):
    """One input after another: how much of it is at each place, from layer to layer."""
    layers, heads, length, _ = weights.shape
    found = np.zeros((length, length))
    for j in range(length):
        amounts = [1.0 if place == j else 0.0 for place in range(length)]
        for layer in range(layers):
            gathered = [
                math.fsum(weights[layer, n, i, k] * amounts[k] for n in range(heads) for k in range(length)) / heads
                for i in range(length)
            ]
            amounts = [(own + other) / 2 for own, other in zip(amounts, gathered)]
        found[:, j] = amounts
    return found


attention_rollout.dtype = FLOAT32


def mean_distance(weights):
    heads, length, _ = weights.shape
    found = np.zeros(heads)
    for n in range(heads):
        for i in range(length):
            found[n] += math.fsum(weight * abs(i - j) for j, weight in enumerate(weights[n, i])) / length
    return found


mean_distance.dtype = FLOAT32


def induction_score(weights, tokens):
    """The places behind each earlier occurrence, from a list of where each token was seen."""
    sequence = [int(token) for token in tokens]
    behind = {}
    for i, token in enumerate(sequence):
        places = [m + 1 for m, earlier in enumerate(sequence[:i]) if earlier == token]
        if places:
            behind[i] = places
    found = np.zeros(len(weights))
    for n, matrix in enumerate(weights):
        if behind:
            found[n] = math.fsum(matrix[i][j] for i, places in behind.items() for j in places) / len(behind)
    return found


induction_score.dtype = FLOAT32
