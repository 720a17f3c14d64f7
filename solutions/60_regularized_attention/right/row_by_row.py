"""Each row for itself, under vmap, with a key of its own; Python loops over what is left."""

import math

import jax
import jax.numpy as jnp


def attention_dropout(key, weights, rate):
    if rate == 0:
        return weights
    rows = weights.reshape(-1, weights.shape[-1])
    keys = jax.random.split(key, rows.shape[0])

    def one(key, row):
        return jax.lax.select(jax.random.bernoulli(key, 1 - rate, row.shape), row / (1 - rate), jnp.zeros_like(row))

    return jax.vmap(one)(keys, rows).reshape(weights.shape)


def attention_entropy(weights):
    total = jnp.zeros(weights.shape[:-1], jnp.float32)
    for j in range(weights.shape[-1]):
        w = weights[..., j].astype(jnp.float32)
        total = total - w * jnp.log(jnp.maximum(w, 1e-30))
    return total


def doubly_stochastic_penalty(weights):
    penalty = jnp.float32(0)
    for i in range(weights.shape[1]):
        penalty += (weights[:, i].sum(dtype=jnp.float32) - 1) ** 2
    return penalty


def guided_attention_loss(weights, width):
    T_q, T_k = weights.shape[-2:]
    total = 0.0
    for i in range(T_q):
        cost = [1 - math.exp(-((i / T_q - j / T_k) ** 2) / (2 * width**2)) for j in range(T_k)]
        total = total + (weights[..., i, :].astype(jnp.float32) * jnp.array(cost, jnp.float32)).sum()
    return total / weights.size
