"""Sends an outcome whose header promises more values than there are bytes.

Verdict: wrote something of its own into the channel|ended the Python process
"""

import json
import os
import struct


def sdpa(q, k, v):
    header = json.dumps([{"outcome": 0, "structure": "array"}, [["", "float32", [1 << 20, 1 << 20]]]]).encode()
    for number in range(3, 64):
        try:
            os.write(number, struct.pack("<QQ", len(header), 16) + header + bytes(16))
        except OSError:
            pass
    return v
