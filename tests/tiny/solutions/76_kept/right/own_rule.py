"""A rule of its own, which keeps the inputs and a number for each row."""

import jax
import jax.numpy as jnp


@jax.custom_vjp
def exp_sum(x, y):
    return jax.nn.logsumexp(x[:, None] * y, axis=1)


def forward(x, y):
    out = exp_sum(x, y)
    return out, (x, y, out)


def backward(kept, g):
    x, y, out = kept
    weights = jnp.exp(x[:, None] * y - out[:, None]) * g[:, None]
    return weights @ y, x @ weights


exp_sum.defvjp(forward, backward)
