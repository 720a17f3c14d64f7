"""Uniform numbers below the rate are dropped; einsum, meshgrid and expm1 for the rest."""

import jax
import jax.numpy as jnp


def attention_dropout(key, weights, rate):
    keep = jax.random.uniform(key, weights.shape) >= rate
    return weights * keep.astype(weights.dtype) * (1.0 / (1.0 - rate))


def attention_entropy(weights):
    p = weights.astype("float32")
    safe = jnp.where(p == 0, 1, p)
    return -jnp.einsum("...t,...t->...", p, jnp.log(safe))


def doubly_stochastic_penalty(weights):
    missing = 1.0 - jnp.einsum("ti->i", weights.astype(jnp.float32))
    return jnp.dot(missing, missing)


def guided_attention_loss(weights, width):
    N, T = weights.shape[-2], weights.shape[-1]
    n, t = jnp.meshgrid(jnp.linspace(0, 1, N, endpoint=False), jnp.linspace(0, 1, T, endpoint=False), indexing="ij")
    W = -jnp.expm1(-jnp.square(n - t) / (2.0 * width * width))
    return jnp.einsum("...nt,nt->", weights.astype(jnp.float32), W) / weights.size
