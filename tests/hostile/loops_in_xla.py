"""A loop inside the compiled program, which Python cannot end.

Verdict: still running
"""

import jax


def sdpa(q, k, v):
    return jax.lax.while_loop(lambda carry: carry.sum() < jax.numpy.inf, lambda carry: 0.1 - carry, v)
