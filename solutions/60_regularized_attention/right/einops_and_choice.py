"""A factor is chosen for each weight; einops for the sums; the costs by a vmap of a vmap."""

import einops
import jax
import jax.numpy as jnp


def attention_dropout(key, weights, rate):
    factors = jax.random.choice(
        key, jnp.array([0.0, 1 / (1 - rate)]), weights.shape, p=jnp.array([rate, 1 - rate])
    )
    return (weights.astype(jnp.float32) * factors).astype(weights.dtype)


def attention_entropy(weights):
    w = jnp.float32(weights)
    information = jnp.where(w > 0, -jnp.log(jnp.where(w > 0, w, 1)), 0)
    return einops.einsum(w, information, "... t, ... t -> ...")


def doubly_stochastic_penalty(weights):
    seen = einops.reduce(jnp.float32(weights), "t i -> i", "sum")
    return ((seen - 1.0) ** 2).sum()


def guided_attention_loss(weights, width):
    T_q, T_k = weights.shape[-2:]

    def cost(i, j):
        return 1.0 - jnp.exp(-((i / T_q - j / T_k) ** 2) / (2.0 * width**2))

    costs = jax.vmap(jax.vmap(cost, (None, 0)), (0, None))(jnp.arange(T_q), jnp.arange(T_k))
    matrices = einops.rearrange(jnp.float32(weights), "... q k -> (...) q k")
    return einops.reduce(matrices * costs, "b q k -> ", "mean")
