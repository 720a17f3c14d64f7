"""Loops of JAX and of Python, one query after another; each query asks each earlier place in turn."""

import jax
import jax.numpy as jnp


def attention_rollout(weights):
    weights = jnp.float32(weights)
    L, N, T, _ = weights.shape

    def through(l, rollout):
        new = rollout / 2
        for n in range(N):
            new = new + weights[l, n] @ rollout / (2 * N)
        return new

    return jax.lax.fori_loop(0, L, through, jnp.eye(T)) if L < 3 else _unrolled(through, L, T)


def _unrolled(through, L, T):
    rollout = jnp.eye(T)
    for l in range(L):
        rollout = through(l, rollout)
    return rollout


def mean_distance(weights):
    T = weights.shape[-1]

    def add(total, at):
        i, rows = at
        return total + rows.astype(jnp.float32) @ jnp.abs(jnp.arange(T) - i).astype(jnp.float32), None

    total, _ = jax.lax.scan(add, jnp.zeros(weights.shape[0]), (jnp.arange(T), weights.swapaxes(0, 1)))
    return total / T


def induction_score(weights, tokens):
    T = weights.shape[-1]
    total, queries = 0.0, 0
    for i in range(T):
        found, has = jnp.zeros(weights.shape[0], jnp.float32), jnp.bool_(False)
        for j in range(1, i + 1):
            same = tokens[j - 1] == tokens[i]
            found = jax.lax.select(same, found + weights[:, i, j].astype(jnp.float32), found)
            has = has | same
        total, queries = total + found, queries + has
    return total / jnp.where(queries == 0, 1, queries)
