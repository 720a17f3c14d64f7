"""Sends an array with a thousand sizes of four thousand digits each, whose product takes a minute.

Verdict: wrote something of its own into the channel|ended the Python process|it gave back more than
"""

import os
import struct


def sdpa(q, k, v):
    header = b'[{"outcome":0,"structure":"array"},[["","float32",[' + b",".join([b"9" * 4299] * 1000) + b"]]]]"
    for number in range(3, 64):
        try:
            os.write(number, struct.pack("<QQ", len(header), 0) + header)
        except OSError:
            pass
    return v
