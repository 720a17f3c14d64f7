"""Returns a NumPy array of a class of its own, whose comparisons lie.

Verdict: it returns a NumPy array; expected a jax.Array
"""

import numpy as np


class Liar(np.ndarray):
    def __sub__(self, other):
        return np.zeros(self.shape)

    __eq__ = lambda self, other: np.ones(self.shape, bool)


def sdpa(q, k, v):
    return np.zeros((q.shape[0], v.shape[1]), np.float32).view(Liar)
