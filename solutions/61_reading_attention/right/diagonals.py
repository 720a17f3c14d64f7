"""Diagonal by diagonal: a distance is the number of one, and an earlier occurrence lies on one."""

import jax.numpy as jnp


def attention_rollout(weights):
    weights = weights.astype(jnp.float32)
    factors = [(layer.sum(0) / layer.shape[0] + jnp.identity(layer.shape[-1])) * 0.5 for layer in weights]
    return jnp.linalg.multi_dot(factors[::-1]) if len(factors) > 1 else factors[0]


def mean_distance(weights):
    weights = weights.astype(jnp.float32)
    T = weights.shape[-1]
    total = jnp.zeros(weights.shape[0])
    for d in range(1, T):
        for offset in (d, -d):
            total += d * jnp.trace(weights, offset, axis1=1, axis2=2)
    return total / T


def induction_score(weights, tokens):
    weights = weights.astype(jnp.float32)
    N, T, _ = weights.shape
    total, has = jnp.zeros(N), jnp.zeros(T, bool)
    for back in range(1, T):
        again = tokens[back:] == tokens[:-back]  # query `back + r` has the token of `r`, and looks at `r + 1`
        read = weights[:, jnp.arange(back, T), jnp.arange(1, T - back + 1)]
        total += jnp.where(again, read, 0).sum(-1)
        has = has.at[back:].set(has[back:] | again)
    return total / jnp.maximum(1, jnp.count_nonzero(has))
