"""52 · Linear attention: for each query an average of the values that it sees, by weights that are products of
features. No state is kept but where one is asked for."""

import numpy as np


def feature(x):
    """elu(x) + 1: 1 + x above 0, e^x below."""
    return np.where(x > 0, 1 + x, np.exp(np.minimum(x, 0)))


def average(query, keys, v):
    weights = feature(keys) @ feature(query)
    return weights @ v / weights.sum()


def linear_attention(q, k, v):
    return np.array([average(query, k, v) for query in q])


def causal_linear_attention(q, k, v, chunk_size):
    return np.array([average(query, k[: i + 1], v[: i + 1]) for i, query in enumerate(q)])


def linear_attention_step(state, q, k, v):
    S, z = (part.astype(np.float64) for part in state)
    for a, x in enumerate(feature(k)):
        z[a] += x
        for b, y in enumerate(v):
            S[a, b] += x * y
    read = feature(q)
    return (S, z), np.array([(read * column).sum() for column in S.T]) / (read * z).sum()


# of the parts of what it gives: the sums of features are float32 whatever comes in
linear_attention_step.dtype = {"[0][0]": np.dtype(np.float32), "[0][1]": np.dtype(np.float32), "[1]": "q"}


def token_by_token(state, q, k, v):
    """The problem's driver: the state after the last token, and the output of each."""
    outputs = []
    for token in zip(q, k, v):
        state, output = linear_attention_step(state, *token)
        outputs.append(output)
    return state, np.array(outputs)


token_by_token.dtype = linear_attention_step.dtype
