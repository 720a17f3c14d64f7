"""Each row on its own, and nothing of it kept."""

import jax


def exp_sum(x, y):
    return jax.lax.map(jax.checkpoint(lambda one: jax.nn.logsumexp(one * y)), x)
