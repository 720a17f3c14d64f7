"""56 · Luong's scores and local attention: one query, and one key after the other."""

import numpy as np

from tests.oracles import Refused
from tests.oracles.attention import each, softmax


def kernels(**shapes):
    return [(f"{name}.kernel", "Param", shape, "float32") for name, shape in shapes.items()]


class LuongAttention:
    dtype = {"[0]": "keys", "[1]": np.dtype(np.float32)}

    def __init__(self, d_query, d_key, score):
        own = {
            "dot": {},
            "general": dict(score_proj=(d_key, d_query)),
            "concat": dict(score_proj=(d_query + d_key, d_query), score_vector=(d_query, 1)),
        }
        if score not in own or (score == "dot" and d_query != d_key):
            raise Refused("no such score")
        self.score = score
        self.variables = kernels(out_proj=(d_key + d_query, d_query), **own[score])

    def __call__(self, params, query, keys, mask=None):
        def part(number):
            return each(lambda *sequence: self.one(params, *sequence)[number], query.shape[:-1], query, keys, mask)

        return part(0), part(1)

    def one(self, params, query, keys, mask):
        seen = [t for t in range(len(keys)) if mask is None or mask[t]]
        weights, context = np.zeros(len(keys)), np.zeros(keys.shape[1])
        weights[seen] = softmax(np.array([self.between(params, query, keys[t]) for t in seen], float))
        for t in seen:
            context += weights[t] * keys[t]
        return np.tanh(params["out_proj.kernel"].T @ np.append(context, query)), weights

    def between(self, params, query, key):
        """The score of one key."""
        if self.score == "dot":
            return sum(a * b for a, b in zip(query, key))
        matrix = params["score_proj.kernel"]
        if self.score == "general":
            return sum(query[i] * key[j] * matrix[j, i] for i in range(len(query)) for j in range(len(key)))
        units = np.tanh(matrix.T @ np.append(query, key))
        return sum(unit * share for unit, share in zip(units, params["score_vector.kernel"][:, 0]))


class LocalAttention:
    dtype = {"[0]": "keys", "[1]": np.dtype(np.float32)}

    def __init__(self, d_query, half_width):
        self.half_width = half_width
        self.variables = kernels(position_proj=(d_query, d_query), position_vector=(d_query, 1))

    def __call__(self, params, query, keys, position=None):
        if position is None:
            hidden = np.tanh(params["position_proj.kernel"].T @ query)
            position = len(keys) / (1 + np.exp(-(params["position_vector.kernel"][:, 0] @ hidden)))
        # a place that is no number has no key outside of its window, and so reaches every output
        window = [s for s in range(len(keys)) if not abs(s - position) > self.half_width]
        weights, context = np.zeros(len(keys)), np.zeros(keys.shape[1])
        shares = softmax(np.array([query @ keys[s] for s in window], float))
        for s, share in zip(window, shares):
            weights[s] = share * np.exp(-((s - position) ** 2) / (2 * (self.half_width / 2) ** 2))
            context += weights[s] * keys[s]
        return context, weights
