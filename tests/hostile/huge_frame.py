"""Promises a frame of ten gigabytes, and sends zeros without end.

Verdict: wrote something of its own into the channel|ended the Python process|still running
"""

import os
import struct


def sdpa(q, k, v):
    for number in range(3, 64):
        try:
            os.write(number, struct.pack("<QQ", 2, 10 << 30) + b"{}")
            while True:
                os.write(number, bytes(1 << 20))
        except OSError:
            pass
    return v
