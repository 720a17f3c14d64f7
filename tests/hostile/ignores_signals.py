"""Ignores every signal that can be ignored, and never returns.

Verdict: still running
"""

import signal

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


def sdpa(q, k, v):
    while True:
        pass
