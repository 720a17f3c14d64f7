"""54 · Low-rank attention: each head attends to `rank` sums over its tokens, weighted by the first rows of a kernel."""

import numpy as np

from tests.oracles.attention import each, in_heads, projections


class LowRankAttention:
    def __init__(self, d_model, num_heads, max_len, rank):
        self.num_heads, self.rank = num_heads, rank
        down = [(f"{name}_down.kernel", "Param", (max_len, rank), "float32") for name in "kv"]
        self.variables = [*projections(d_model), *down]

    def __call__(self, params, x):
        return each(lambda x: self.one(params, x), x.shape[:-2], x)

    def one(self, params, x):
        q, k, v, o = (params[f"{name}_proj.kernel"].astype(np.float64) for name in "qkvo")
        x = x.astype(np.float64)
        keys = self.mixtures(x @ k, params["k_down.kernel"])
        values = self.mixtures(x @ v, params["v_down.kernel"])
        return in_heads(x @ q, keys, values, self.num_heads) @ o

    def mixtures(self, rows, kernel):
        """The sums, one for each column of the kernel, token by token; no token, no term."""
        sums = np.zeros((self.rank, rows.shape[1]))
        for token, row in enumerate(rows):
            for r in range(self.rank):
                sums[r] += float(kernel[token, r]) * row
        return sums
