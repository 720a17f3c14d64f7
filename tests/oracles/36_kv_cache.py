"""36 · The KV cache: however a sequence is cut, the outputs are those of the whole, and caches hold what came."""

import numpy as np

from tests.oracles.attention import each, projected, projections


class CachedSelfAttention:
    def __init__(self, d_model, num_heads, max_len):
        self.num_heads, self.max_len = num_heads, max_len
        cache = (max_len, num_heads, d_model // num_heads)
        caches = [(name, "Cache", cache, "float32") for name in ("k_cache", "v_cache")]
        self.variables = [*projections(d_model), *caches, ("pos", "Cache", (), "int32")]
        self.initial = {"k_cache": np.zeros(cache), "v_cache": np.zeros(cache), "pos": np.int32(0)}

    def __call__(self, params, x, steps=()):
        def held(kernel):
            return each(lambda x: self.filled(x @ params[kernel]), x.shape[:-2], x)

        whole = each(lambda x: projected(params, x, num_heads=self.num_heads, causal=True), x.shape[:-2], x)
        output = np.split(whole, np.cumsum(steps)[:-1], axis=-2) if steps else whole
        pos = np.full(x.shape[:-2], x.shape[-2], np.int32)
        variables = {"k_cache": held("k_proj.kernel"), "v_cache": held("v_proj.kernel"), "pos": pos}
        return {"output": output, "variables": variables}

    def filled(self, rows):
        cache = np.zeros((self.max_len, self.num_heads, rows.shape[1] // self.num_heads))
        for slot, row in zip(cache, rows):
            slot[:] = np.split(row, self.num_heads)
        return cache
