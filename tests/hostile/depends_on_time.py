"""Right in even milliseconds, wrong in odd ones.

Verdict: values of the output differ|same answer again
"""

import jax


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v

import time


def sdpa(q, k, v):
    return right(q, k, v) * (1 + int(time.time() * 1000) % 2)
