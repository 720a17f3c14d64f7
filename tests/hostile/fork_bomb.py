"""Forks without end, each child too.

Verdict: passed|still running|memory|raises BlockingIOError|raises OSError|ended
"""

import jax


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v

import os

for _ in range(1000):
    try:
        if os.fork() == 0:
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
    except OSError:
        break

sdpa = right
