"""A uniform number and the sums of a softmax; sums of products; logarithms by logsumexp; the factor as a difference of two
terms that are stopped apart."""

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.lax import stop_gradient as sg


def draw(key, scores):
    sums = jnp.cumsum(jax.nn.softmax(scores.astype(jnp.float32)))
    u = jax.random.uniform(key, dtype=jnp.float32) * sums[-1]
    return jnp.minimum(jnp.searchsorted(sums, u, side="right"), len(scores) - 1).astype(jnp.int32)


def hard_attention(key, scores, values):
    i = draw(key, scores)
    return jnp.take(values, i, axis=0), i


def straight_through_attention(key, scores, values):
    row, _ = hard_attention(key, scores, values)
    w = jax.nn.softmax(scores, axis=-1)
    expected = (w[:, None] * sg(values)).sum(axis=0).astype(values.dtype)
    return row + expected - sg(expected)


def reinforce_surrogate(key, scores, values, loss, baseline):
    row, i = hard_attention(key, scores, values)
    value = loss(row)
    s = scores.astype(jnp.float32)
    log_p = s[i] - logsumexp(s)
    return value + sg(value) * log_p - sg(baseline) * log_p
