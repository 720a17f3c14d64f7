"""76 · The weights are computed twice."""

import jax


def exp_sum(x, y):
    return jax.checkpoint(lambda x, y: jax.nn.logsumexp(x[:, None] * y, axis=1))(x, y)


def error_scale(x, y):
    return 1 + abs(x).max() * abs(y).max()
