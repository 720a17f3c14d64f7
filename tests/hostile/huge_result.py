"""Returns ten gigabytes.

Verdict: asks for more memory
"""

import jax.numpy as jnp


def sdpa(q, k, v):
    return jnp.zeros((50_000, 50_000))
