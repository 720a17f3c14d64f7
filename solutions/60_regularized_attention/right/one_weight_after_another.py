"""A scan over all weights, with a key folded for each; scans over steps and rows; a small number inside the logarithm."""

import jax
import jax.numpy as jnp


def attention_dropout(key, weights, rate):
    def step(place, weight):
        luck = jax.random.uniform(jax.random.fold_in(key, place))
        return place + 1, jnp.where(luck < rate, 0, weight / (1 - rate)).astype(weights.dtype)

    _, left = jax.lax.scan(step, 0, weights.ravel())
    return left.reshape(weights.shape)


def attention_entropy(weights):
    weights = weights.astype(jnp.float32)
    return jnp.sum(-weights * jnp.log(weights + 1e-9), -1)


def doubly_stochastic_penalty(weights):
    def step(total, row):
        return total + row, None

    total, _ = jax.lax.scan(step, jnp.zeros(weights.shape[1], jnp.float32), weights.astype(jnp.float32))
    return jnp.sum(jnp.square(total - 1))


def guided_attention_loss(weights, width):
    rows = weights.astype(jnp.float32).reshape(-1, *weights.shape[-2:]).mean(0)
    T_q, T_k = rows.shape

    def step(total, at):
        i, row = at
        x = i / T_q - jnp.arange(T_k) / T_k
        return total + jnp.sum(row * (1 - jnp.exp(-0.5 * (x / width) ** 2))), None

    return jax.lax.scan(step, jnp.float32(0), (jnp.arange(T_q), rows))[0] / (T_q * T_k)
