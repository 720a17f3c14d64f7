"""Leaves a child in a session of its own, which writes later into every folder and pipe that it can.

Verdict: passed|wrote something of its own
"""

import jax


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v

import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for turn in range(2000):
            for place in ("/tmp/attention-was-here", "/scratch/attention-was-here", "/dev/shm/attention-was-here"):
                try:
                    open(place, "a").write("late ")
                except OSError:
                    pass
            time.sleep(0.01)
    os._exit(0)

sdpa = right
