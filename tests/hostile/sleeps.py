"""Waits for ever without using the processor.

Verdict: still running
"""

import time


def sdpa(q, k, v):
    time.sleep(1e9)
