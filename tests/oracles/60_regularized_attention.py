"""60 · Dropout on weights by its distribution, and three penalties by their definitions, one weight at a time."""

import math

import numpy as np

FLOAT32 = np.dtype(np.float32)


def attention_dropout(key, weights, rate):
    """What each weight is if it stays: the only possibility at a rate of 0."""
    return weights / (1 - rate)


def patterns(rng, count, together, weights, rate):
    """`count` draws, one weight after another; or `together`, with one number that decides for all weights."""
    found, luck = np.zeros((count, *weights.shape)), rng.random(count)
    for place in np.ndindex(weights.shape):
        stays = (luck if together else rng.random(count)) >= rate
        found[(stays, *place)] = weights[place] / (1 - rate)
    return found


def chances(weights, rate):
    """How likely each weight is dropped."""
    return np.full(weights.shape, rate)


attention_dropout.patterns, attention_dropout.probabilities = patterns, chances


def smallest_and_largest(key, weights, rate):
    """The problem's driver: 0, and twice the one number that a weight is if it stays."""
    (weight,) = {*weights.ravel()}
    return np.array([0.0, weight / (1 - rate), weight / (1 - rate)])


def slopes(key, weights, rate):
    """The problem's driver: how what comes out changes with a weight that is dropped, and with one that stays."""
    return np.array([0.0, 1 / (1 - rate), 1 / (1 - rate)])


def attention_entropy(weights):
    found = np.zeros(weights.shape[:-1])
    for place in np.ndindex(found.shape):
        found[place] = -math.fsum(weight * math.log(weight) for weight in weights[place] if weight != 0)
    return found


attention_entropy.dtype = FLOAT32


def slopes_of_entropy(weights):
    """The problem's driver: the derivative of -w log w, times the number of the row."""
    rows = weights.reshape(-1, weights.shape[-1])
    found = [[number * -(math.log(w) + 1) if w else 0.0 for w in row] for number, row in enumerate(rows, start=1)]
    return np.array(found).reshape(weights.shape)


def entropy_of_scores(scores, mask):
    """The problem's driver: the entropy of the weights that a softmax gives, from what it means: the logarithm of the
    sum of powers, less the mean score."""
    found = np.zeros(scores.shape[:-1])
    for place in np.ndindex(found.shape):
        seen = [score for score, visible in zip(scores[place], mask[place]) if visible]
        powers = [math.exp(score) for score in seen]
        mean = sum(power * score for power, score in zip(powers, seen)) / sum(powers)
        found[place] = math.log(sum(powers)) - mean
    return found


def doubly_stochastic_penalty(weights):
    steps, keys = weights.shape
    return np.array(math.fsum((1 - math.fsum(weights[t, i] for t in range(steps))) ** 2 for i in range(keys)))


doubly_stochastic_penalty.dtype = FLOAT32


def guided_attention_loss(weights, width):
    *lead, queries, keys = weights.shape
    costs = []
    for place in np.ndindex(*lead):
        for i in range(queries):
            for j in range(keys):
                apart = i / queries - j / keys
                costs.append(-weights[place][i, j] * math.expm1(-(apart**2) / (2 * width**2)))
    return np.array(math.fsum(costs) / len(costs))


guided_attention_loss.dtype = FLOAT32
