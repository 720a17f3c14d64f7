"""45 · A language model: each token's row of the table, layer after layer, a norm, and a product with every row."""

import numpy as np

from tests.oracles.attention import each, projected


def norm(x, scale):
    return np.array([row / np.sqrt((row**2).mean() + 1e-6) * scale for row in x])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def mlp(params, x):
    gate = x @ params["mlp.gate.kernel"]
    return (gate * sigmoid(gate) * (x @ params["mlp.up.kernel"])) @ params["mlp.down.kernel"]


# The problem's blocks once more, for one sequence; beside each the shapes of its parameters


def bend(params, x):
    return x + np.tanh(x @ params["weight"])


def mixer(params, x):
    normed = norm(x, params["norm.scale"])
    so_far = np.array([normed[: t + 1].mean(0) for t in range(len(x))])
    return x + mlp(params, normed + so_far @ params["mix.kernel"])


def tower(params, x):
    return x + params["strength"] * (np.sin(x @ params["steps.0.kernel"]) @ params["steps.1.kernel"])


def transformer(params, x):
    attention = {path.removeprefix("attn."): array for path, array in params.items()}
    x = x + projected(attention, norm(x, params["attn_norm.scale"]), num_heads=2, causal=True)
    return x + mlp(params, norm(x, params["mlp_norm.scale"]))


def shapes(kind, d):
    gated = {"mlp.gate.kernel": (d, d + 2), "mlp.up.kernel": (d, d + 2), "mlp.down.kernel": (d + 2, d)}
    attention = {f"attn.{name}_proj.kernel": (d, d) for name in "qkvo"}
    return {
        "bend": {"weight": (d, d)},
        "mixer": {"norm.scale": (d,), "mix.kernel": (d, d), **gated},
        "tower": {"steps.0.kernel": (d, d), "steps.1.kernel": (d, d), "strength": ()},
        "transformer": {"attn_norm.scale": (d,), **attention, "mlp_norm.scale": (d,), **gated},
    }[kind]


class LanguageModel:
    def __init__(self, make_block, vocab_size, d_model, num_layers):
        kind = make_block.name.split("_")[0]
        self.block, self.num_layers = globals()[kind], num_layers
        self.variables = [
            ("embed.embedding", "Param", (vocab_size, d_model), "float32"),
            ("final_norm.scale", "Param", (d_model,), "float32"),
            *(
                (f"blocks.{path}", "Param", (num_layers, *shape), "float32")
                for path, shape in shapes(kind, d_model).items()
            ),
        ]

    def __call__(self, params, tokens):
        return each(lambda tokens: self.logits(params, tokens), tokens.shape[:-1], tokens)

    def logits(self, params, tokens):
        table = params["embed.embedding"]
        x = np.array([table[token] for token in tokens])
        for layer in range(self.num_layers):
            own = {path[7:]: array[layer] for path, array in params.items() if path.startswith("blocks.")}
            x = self.block(own, x)
        x = norm(x, params["final_norm.scale"])
        return np.array([[row @ word for word in table] for row in x])


def first_values(key, make_block, num_layers):
    """Of what is drawn the shapes: coins of two keys, a height; and the logits of two tokens."""
    return {name: np.ones((num_layers, 64)) for name in ("first", "second", "height")}, np.ones((2, 3))
