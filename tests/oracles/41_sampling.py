"""41 · Sampling: what stays is told of each entry by itself, by the words of the contract; what is drawn, by its
distribution."""

import numpy as np


def filter_logits(logits, temperature, top_k=None, top_p=None):
    return each(lambda row: filtered(row, temperature, top_k, top_p), logits)


def probabilities(logits, temperature, top_k=None, top_p=None):
    """The problem's driver: a softmax of it."""
    return each(lambda row: softmax(filtered(row, temperature, top_k, top_p)), logits)


def sample_token(key, logits, temperature, top_k=None, top_p=None):
    """The likeliest token: the only one at temperature 0."""
    return distribution(logits, temperature, top_k, top_p).argmax(axis=-1).astype(np.int32)


def at_each_temperature(key, logits, temperatures):
    """The problem's driver: one draw at each of them."""
    return distribution_at_each(logits, temperatures).argmax(axis=-1).astype(np.int32)


def distribution(logits, temperature, top_k=None, top_p=None):
    if temperature > 0:
        return probabilities(logits, temperature, top_k, top_p)
    return each(lambda row: np.array([float(place == first_of_the_largest(row)) for place in range(len(row))]), logits)


def distribution_at_each(logits, temperatures):
    return np.stack([distribution(logits, temperature) for temperature in temperatures])


sample_token.probabilities, at_each_temperature.probabilities = distribution, distribution_at_each


def filtered(row, temperature, top_k, top_p):
    scaled = row / temperature
    left = {place for place in range(len(row)) if scaled[place] != -np.inf}
    if top_k is not None:
        # fewer than k others are larger
        left = {place for place in left if sum(scaled > scaled[place]) < top_k}
    if top_p is not None:
        total = sum(weight(scaled, place) for place in left)
        left = {
            place
            for place in left
            if not sum(weight(scaled, other) for other in left if scaled[other] > scaled[place]) / total >= top_p
        }
    return np.array([scaled[place] if place in left else -np.inf for place in range(len(row))])


def weight(scaled, place):
    return np.exp(scaled[place] - scaled.max())


def softmax(scaled):
    weights = [weight(scaled, place) for place in range(len(scaled))]
    return np.array(weights) / sum(weights)


def first_of_the_largest(row):
    return min(place for place in range(len(row)) if row[place] == max(row))


def each(function, logits):
    """A function of one row, of every row."""
    rows = [function(row) for row in logits.reshape(-1, logits.shape[-1])]
    return np.stack(rows).reshape(logits.shape)
