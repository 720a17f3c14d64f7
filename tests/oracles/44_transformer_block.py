"""44 · The transformer block, and the two feed-forward networks: one token at a time."""

import numpy as np

from tests.oracles.attention import each, projected, projections

EPSILON = 1e-6


def layers(d_model, d_ff, *into):
    shapes = {name: (d_model, d_ff) for name in into} | {"down": (d_ff, d_model)}
    return [(f"{name}.kernel", "Param", shape, "float32") for name, shape in shapes.items()]


def each_token(function, x):
    return each(function, x.shape[:-1], x)


def taken(params, path):
    """The parameters of a part, under its own paths."""
    return {name.removeprefix(path): array for name, array in params.items() if name.startswith(path)}


class FeedForward:
    def __init__(self, d_model, d_ff):
        self.variables = layers(d_model, d_ff, "up")

    def __call__(self, params, x):
        def token(features):
            hidden = [np.maximum(0.0, features @ into) for into in params["up.kernel"].T]
            return sum(unit * row for unit, row in zip(hidden, params["down.kernel"]))

        return each_token(token, x)


class GatedFeedForward:
    def __init__(self, d_model, d_ff):
        self.variables = layers(d_model, d_ff, "gate", "up")

    def __call__(self, params, x):
        def token(features):
            result = np.zeros(len(features))
            for gate, up, row in zip(params["gate.kernel"].T, params["up.kernel"].T, params["down.kernel"]):
                z = features @ gate
                # the sigmoid, by whichever of its two forms has an exponential below 1
                open_by = 1 / (1 + np.exp(-z)) if z >= 0 else np.exp(z) / (1 + np.exp(z))
                result += z * open_by * (features @ up) * row
            return result

        return each_token(token, x)


class TransformerBlock:
    def __init__(self, d_model, num_heads, d_ff):
        self.num_heads, self.mlp = num_heads, GatedFeedForward(d_model, d_ff)
        parts = dict(attn=projections(d_model), mlp=self.mlp.variables)
        self.variables = [(f"{part}.{path}", *told) for part, held in parts.items() for path, *told in held]
        self.variables += [(f"{name}.scale", "Param", (d_model,), "float32") for name in ("attn_norm", "mlp_norm")]

    def __call__(self, params, x):
        def normed(x, name):
            def token(features):
                mean = sum(feature**2 for feature in features) / len(features)
                return features / np.sqrt(mean + EPSILON) * params[f"{name}.scale"]

            return each_token(token, x)

        def sequence(rows):
            return projected(taken(params, "attn."), rows, num_heads=self.num_heads, causal=True)

        h = x + each(sequence, x.shape[:-2], normed(x, "attn_norm"))
        return h + self.mlp(taken(params, "mlp."), normed(h, "mlp_norm"))
