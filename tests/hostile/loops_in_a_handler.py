"""Never returns from a signal handler, which it raises itself.

Verdict: still running
"""

import signal


def forever(number, frame):
    while True:
        pass


def sdpa(q, k, v):
    signal.signal(signal.SIGALRM, forever)
    signal.raise_signal(signal.SIGALRM)
    return v
