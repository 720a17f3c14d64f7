"""A typical first attempt at problem 31, to see what a verdict says: `python -m grader 31 --file problems/31_sdpa/attempt.py`."""

import jax


def sdpa(q, k, v):
    scores = q @ k.T
    weights = jax.nn.softmax(scores, axis=-1)
    return weights @ v
