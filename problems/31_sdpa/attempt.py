"""A typical first attempt at problem 31: `python -m grader demo` shows what its verdict says."""

import jax


def sdpa(q, k, v):
    scores = q @ k.T
    weights = jax.nn.softmax(scores, axis=-1)
    return weights @ v
