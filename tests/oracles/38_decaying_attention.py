"""38 · Attention with a distance in its scores."""

import numpy as np

from tests.oracles import Refused
from tests.oracles.attention import attention, each


def distance_bias(t_q, t_k):
    return np.array([[abs(i - j) for j in range(t_k)] for i in range(t_q)], float)


def biased_attention(q, k, v):
    if q.shape[-1] != k.shape[-1]:
        raise Refused("queries and keys of unequal widths")
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise Refused("unequal batch sizes")
    return each(lambda q, k, v: attention(q, k, v, scale=1.0, per_step=1.0), q.shape[:-2], q, k, v)


class DecayingAttention:
    def __init__(self, num_heads):
        self.variables, self.initial = (
            [("log_alpha", "Param", (num_heads,), "float32")],
            {"log_alpha": np.zeros(num_heads)},
        )

    def __call__(self, params, q, k, v, causal=False):
        output = np.zeros(q.shape)
        for *place, n in np.ndindex(*q.shape[:-3], q.shape[-2]):
            own = (*place, slice(None), n)
            output[own] = attention(q[own], k[own], v[own], causal=causal, per_step=-np.exp(params["log_alpha"][n]))
        return output
