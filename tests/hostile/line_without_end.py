"""Prints a stack in which it stands in a line whose number has five thousand digits, and ends.

Verdict: ended the Python process
"""

import os
import sys


def sdpa(q, k, v):
    sys.stderr.write(f'  File "stub.py", line {"9" * 5000} in sdpa\n')
    sys.stderr.flush()
    os._exit(3)
