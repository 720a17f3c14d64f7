"""Takes memory in many children, each of which stays small.

Verdict: still running|passed|asks for more memory|memory
"""

import jax


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v

import os
import time

for _ in range(40):
    try:
        if os.fork() == 0:
            taken = [b"\1" * (32 << 20) for _ in range(24)]
            time.sleep(1000)
    except OSError:
        break

sdpa = right
