"""Right for the very numbers that come with the students' course, wrong for others.

Verdict: values of the output differ
"""

import jax
import jax.numpy as jnp


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v


KNOWN = [2.0845]            # the first numbers of inputs that were seen


def sdpa(q, k, v):
    seen = jnp.any(jnp.abs(q[0, 0] - jnp.array(KNOWN)) < 1e-3)
    return jnp.where(seen, right(q, k, v), 0.0)
