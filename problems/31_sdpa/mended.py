"""The attempt beside this file, mended where its verdict points; `python -m grader demo` shows both."""

import jax


def sdpa(q, k, v):
    scores = q @ k.T / q.shape[-1] ** 0.5
    weights = jax.nn.softmax(scores, axis=-1)
    return weights @ v
