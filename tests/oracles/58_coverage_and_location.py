"""58 · Coverage and location: one key at a time, one hidden unit at a time, and the loss step by step."""

import math

import numpy as np

from tests.oracles.attention import softmax

FLOAT32 = np.dtype(np.float32)


class Additive:
    """Attention with a third term inside the tanh, which `told` gives for one key of a sequence."""

    def __init__(self, d_query, d_key, d_attention, **others):
        shapes = dict(query_proj=(d_query, d_attention), key_proj=(d_key, d_attention), score=(d_attention, 1))
        self.variables = [(f"{name}.kernel", "Param", shape, "float32") for name, shape in (shapes | others).items()]

    def attend(self, params, query, keys, past, mask):
        contexts, weights = np.zeros((*query.shape[:-1], keys.shape[-1])), np.zeros(keys.shape[:-1])
        for place in np.ndindex(query.shape[:-1]):
            seen = [t for t in range(keys.shape[-2]) if mask is None or mask[place][t]]
            scores = [self.between(params, query[place], keys[place][t], past[place], t) for t in seen]
            weights[place][seen] = softmax(np.array(scores))
            for t in seen:
                contexts[place] += weights[place][t] * keys[place][t]
        return contexts, weights

    def between(self, params, query, key, past, t):
        """The score of key t."""
        total = 0.0
        for unit, share in enumerate(params["score.kernel"][:, 0]):
            asked = sum(a * b for a, b in zip(query, params["query_proj.kernel"][:, unit]))
            offered = sum(a * b for a, b in zip(key, params["key_proj.kernel"][:, unit]))
            inside = asked + offered + self.told(params, past, t, unit)
            total += share * (math.tanh(inside) if math.isfinite(inside) else np.nan)
        return total


class CoverageAttention(Additive):
    dtype = {"[0]": "keys", "[1]": FLOAT32, "[2]": FLOAT32}

    def __init__(self, d_query, d_key, d_attention):
        super().__init__(d_query, d_key, d_attention, coverage_proj=(1, d_attention))

    def __call__(self, params, query, keys, coverage, mask=None):
        context, weights = self.attend(params, query, keys, coverage, mask)
        return context, weights, coverage + weights

    def told(self, params, past, t, unit):
        return past[t] * params["coverage_proj.kernel"][0, unit]


def coverage_behind_a_mask(kernels, query, keys, coverage, mask):
    """The problem's driver: the past of masked keys is left out."""
    return with_kernels(CoverageAttention, kernels)(query, keys, np.where(mask, coverage, 0.0), mask)


def with_kernels(cls, kernels, **sizes):
    (d_query, d_attention), d_key = kernels["query_proj"].shape, len(kernels["key_proj"])
    module, params = cls(d_query, d_key, d_attention, **sizes), {f"{name}.kernel": kernels[name] for name in kernels}
    return lambda *arguments: module(params, *arguments)


class LocationAttention(Additive):
    dtype = {"[0]": "keys", "[1]": FLOAT32}

    def __init__(self, d_query, d_key, d_attention, num_filters, kernel_size):
        shapes = dict(location_conv=(kernel_size, 1, num_filters), location_proj=(num_filters, d_attention))
        super().__init__(d_query, d_key, d_attention, **shapes)

    def __call__(self, params, query, keys, previous, mask=None):
        return self.attend(params, query, keys, previous, mask)

    def told(self, params, past, t, unit):
        filters, projection = params["location_conv.kernel"][:, 0, :], params["location_proj.kernel"][:, unit]
        total = 0.0
        for tap, row in enumerate(filters):
            # the middle tap is on the key itself; beyond both ends there is nothing
            place = t + tap - len(filters) // 2
            if 0 <= place < len(past):
                total += past[place] * sum(a * b for a, b in zip(row, projection))
        return total


def location_behind_a_mask(kernels, query, keys, previous, mask):
    """The problem's driver, as above."""
    size, _, filters = kernels["location_conv"].shape
    module = with_kernels(LocationAttention, kernels, num_filters=filters, kernel_size=size)
    return module(query, keys, np.where(mask, previous, 0.0), mask)


def sums_before(weights):
    """What every key has had before each step."""
    sums = [np.zeros(weights.shape[1])]
    for row in weights[:-1]:
        sums.append(sums[-1] + row)
    return sums


def coverage_loss(weights):
    costs = [min(pair) for row, had in zip(weights, sums_before(weights)) for pair in zip(row, had)]
    return np.array(math.fsum(costs) / len(weights))


coverage_loss.dtype = FLOAT32


def slopes_beside_ties(weights, tied):
    """The problem's driver: the loss, and for each weight how often it is the smaller one itself, and how often a sum
    that it is part of is."""
    (steps, keys), had = weights.shape, np.array(sums_before(weights))
    found = np.zeros((steps, keys))
    for i in range(keys):
        if tied[i]:
            continue
        for s in range(steps):
            of_itself = weights[s, i] < had[s, i]
            of_later_ones = sum(had[t, i] < weights[t, i] for t in range(s + 1, steps))
            found[s, i] = (of_itself + of_later_ones) / steps
    return coverage_loss(weights), found
