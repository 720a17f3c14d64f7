"""Sends results whose containers are none: a dict with a number for a name.

Verdict: wrote something of its own into the channel
"""

import os
import sys


def sdpa(q, k, v):
    frame = sys._getframe()
    while frame and "send" not in frame.f_locals:
        frame = frame.f_back
    frame.f_locals["send"]({"outcome": 0, "structure": ["dict", [[5, "None"]]]})
    os._exit(0)
