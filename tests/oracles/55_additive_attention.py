"""55 · Additive attention: one pair of query and key at a time, one hidden unit at a time."""

import math

import numpy as np

from tests.oracles.attention import softmax


def unit(query, key, of_query, of_key):
    """What one hidden unit makes of a pair; it takes a column of each kernel."""
    products = [a * b for a, b in (*zip(query, of_query), *zip(key, of_key))]
    return math.tanh(math.fsum(products)) if np.isfinite(products).all() else np.nan


class AdditiveAttention:
    # of the parts of what it gives: weights are float32 whatever comes in
    dtype = {"[0]": "keys", "[1]": np.dtype(np.float32)}

    def __init__(self, d_query, d_key, d_attention):
        shapes = dict(query_proj=(d_query, d_attention), key_proj=(d_key, d_attention), score=(d_attention, 1))
        self.variables = [(f"{name}.kernel", "Param", shape, "float32") for name, shape in shapes.items()]

    def __call__(self, params, query, keys, mask=None):
        contexts, weights = np.zeros((*query.shape[:-1], keys.shape[-1])), np.zeros(keys.shape[:-1])
        for place in np.ndindex(query.shape[:-1]):
            seen = [t for t in range(keys.shape[-2]) if mask is None or mask[place][t]]
            weights[place][seen] = softmax(np.array([self.score(params, query[place], keys[place][t]) for t in seen]))
            for t in seen:
                contexts[place] += weights[place][t] * keys[place][t]
        return contexts, weights

    def score(self, params, query, key):
        columns = zip(params["query_proj.kernel"].T, params["key_proj.kernel"].T)
        hidden = [unit(query, key, *pair) for pair in columns]
        return sum(weight * value for weight, value in zip(params["score.kernel"][:, 0], hidden))
