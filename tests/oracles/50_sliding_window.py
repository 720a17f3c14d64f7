"""50 · The sliding window: for each query the keys that it sees are picked one by one; a cache is the last tokens."""

import numpy as np

from tests.oracles.attention import each, projections, softmax


def sliding_window_attention(q, k, v, window, sinks=0):
    out = np.zeros(q.shape)
    for i in range(len(q)):
        seen = [j for j in range(i + 1) if j > i - window or j < sinks]
        for n in range(q.shape[1]):
            out[i, n] = softmax(k[seen, n] @ q[i, n] / np.sqrt(q.shape[2])) @ v[seen, n]
    return out


def windowed(x, kernels, num_heads, window):
    """Self-attention of one sequence between its projections."""
    q, k, v = ((x @ kernels[f"{name}_proj"]).reshape(len(x), num_heads, -1) for name in "qkv")
    return sliding_window_attention(q, k, v, window).reshape(x.shape) @ kernels["o_proj"]


class RollingCacheAttention:
    def __init__(self, d_model, num_heads, window):
        self.num_heads, self.window = num_heads, window
        cache = (window, num_heads, d_model // num_heads)
        caches = [(name, "Cache", cache, "float32") for name in ("k_cache", "v_cache")]
        self.variables = [*projections(d_model), *caches, ("pos", "Cache", (), "int32")]
        self.initial = {"k_cache": np.zeros(cache), "v_cache": np.zeros(cache), "pos": np.int32(0)}

    def __call__(self, params, x, steps):
        kernels = {path.partition(".")[0]: kernel for path, kernel in params.items()}
        whole = each(lambda x: windowed(x, kernels, self.num_heads, self.window), x.shape[:-2], x)
        pos = np.full(x.shape[:-2], x.shape[-2], np.int32)
        return {"output": [*np.moveaxis(whole, -2, 0)], "variables": {"pos": pos}}


def after_many(x, params, before, num_heads, window):
    """The problem's driver: of the tokens of zeros that came before, the window reaches the last ones."""
    zeros = np.zeros((min(before, window), x.shape[1]))
    outputs = windowed(np.concatenate([zeros, x]), params, num_heads, window)
    return {"outputs": outputs[len(zeros) :], "pos": np.int32(before + len(x))}
