"""Random bits against a threshold; vectorized scalar functions; the penalty from its square written out."""

import jax
import jax.numpy as jnp
import numpy as np


def attention_dropout(key, weights, rate):
    bits = jax.random.bits(key, weights.shape, jnp.uint32)
    threshold = np.uint32(min(round(rate * 2**32), 2**32 - 1))
    multiplier = jnp.where(bits < threshold, 0.0, 1 / (1 - rate)).astype(weights.dtype)
    return weights * multiplier


@jnp.vectorize
def _term(w):
    w = w.astype(jnp.float32)
    return jax.lax.cond(w > 0, lambda w: -w * jnp.log(w), lambda w: 0.0 * w, jnp.where(w > 0, w, 0.5)) * (w > 0)


def attention_entropy(weights):
    return _term(weights).sum(-1)


def doubly_stochastic_penalty(weights):
    w = weights.astype(jnp.float32)
    columns = w.T @ jnp.ones(w.shape[0], jnp.float32)
    return jnp.sum((columns - 1) * (columns - 1))


def guided_attention_loss(weights, width):
    t_q, t_k = weights.shape[-2:]
    grid = np.indices((t_q, t_k)) / np.array([t_q, t_k])[:, None, None]
    cost = 1 - np.exp(-((grid[0] - grid[1]) ** 2) / (2 * width**2))
    return jnp.mean(weights.astype(jnp.float32) * cost.astype(np.float32))
