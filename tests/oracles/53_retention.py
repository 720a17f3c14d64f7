"""53 · Retention by its sum, one query at a time, and problem 38's attention over a band. No state is kept but where
one is asked for."""

import math

import numpy as np


def retained(query, keys, values, log_decay):
    """What one query of one head gets from the keys up to its own, which is the last."""
    back = np.arange(len(keys))[::-1]
    weights = np.exp(log_decay * back) * (keys @ query) / math.sqrt(len(query))
    return weights @ values


def retention(q, k, v, log_decay):
    output = np.zeros(v.shape)
    for i, n in np.ndindex(*q.shape[:2]):
        output[i, n] = retained(q[i, n], k[: i + 1, n], v[: i + 1, n], log_decay[n])
    return output


def chunked_retention(q, k, v, log_decay, chunk_size):
    return retention(q, k, v, log_decay)


def retention_step(state, q, k, v, log_decay):
    after, output = np.zeros(state.shape), np.zeros(v.shape)
    for n, a, b in np.ndindex(*state.shape):
        after[n, a, b] = math.exp(log_decay[n]) * state[n, a, b] + k[n, a] * v[n, b]
        output[n, b] += q[n, a] * after[n, a, b] / math.sqrt(q.shape[1])
    return after, output


# of the parts of what it gives: the state is float32 whatever comes in
retention_step.dtype = {"[0]": np.dtype(np.float32), "[1]": "q"}


def token_by_token(state, q, k, v, log_decay):
    """The problem's driver: the state after the last token, and the output of each."""
    outputs = []
    for token in zip(q, k, v):
        state, output = retention_step(state, *token, log_decay)
        outputs.append(output)
    return state, np.array(outputs)


token_by_token.dtype = retention_step.dtype


def banded_attention(q, k, v, alpha, band):
    output = np.zeros(v.shape)
    for i, n in np.ndindex(*q.shape[:2]):
        seen = range(max(i - band, 0), min(i + band, len(k) - 1) + 1)
        scores = np.array([q[i, n] @ k[j, n] / math.sqrt(q.shape[2]) - alpha[n] * abs(i - j) for j in seen])
        powers = np.exp(scores - scores.max())
        output[i, n] = powers / powers.sum() @ v[seen.start : seen.stop, n]
    return output
