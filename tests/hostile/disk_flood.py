"""Writes files until the disk is full.

Verdict: passed|raises OSError
"""

import jax


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v

block = b"\1" * (8 << 20)
try:
    for number in range(10000):
        with open(f"flood{number}", "wb") as stream:
            for _ in range(16):
                stream.write(block)
    print("LEAK the disk has no end")
except OSError as error:
    print("stopped:", error.strerror)

sdpa = right
