"""Everything as einsum: letters for the axes, and booleans as numbers."""

import functools

import jax.numpy as jnp


def attention_rollout(weights):
    L, N, T, _ = weights.shape
    mean = jnp.einsum("lnij->lij", weights.astype(jnp.float32)) / N
    mixed = (mean + jnp.eye(T)) / 2
    return functools.reduce(lambda below, above: jnp.einsum("ik,kj->ij", above, below), mixed)


def mean_distance(weights):
    T = weights.shape[-1]
    distance = jnp.abs(jnp.subtract.outer(jnp.arange(T), jnp.arange(T))).astype(jnp.float32)
    return jnp.einsum("nij,ij->n", weights.astype(jnp.float32), distance) / T


def induction_score(weights, tokens):
    T = tokens.shape[0]
    i, j = jnp.arange(T)[:, None], jnp.arange(T)[None, :]
    # `roll` wraps around, and column 0 is taken out again
    hit = (jnp.roll(tokens, 1)[None, :] == tokens[:, None]) & (j >= 1) & (j <= i)
    total = jnp.einsum("nij,ij->n", weights.astype(jnp.float32), hit.astype(jnp.float32))
    count = jnp.any(hit, axis=1).sum()
    return jnp.where(count > 0, total / jnp.where(count > 0, count, 1), 0.0)
