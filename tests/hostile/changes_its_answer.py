"""Right the first time that it sees a shape, wrong from then on.

Verdict: same answer again|values of the output differ
"""

import jax


def right(q, k, v):
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5) @ v

seen = set()


def sdpa(q, k, v):
    if isinstance(q, jax.core.Tracer):
        return right(q, k, v)
    again = (q.shape, k.shape) in seen
    seen.add((q.shape, k.shape))
    return right(q, k, v) + again
