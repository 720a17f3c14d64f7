"""Backward passes of its own, written down from the formulas."""

import jax
import jax.numpy as jnp


def layers(weights):
    return 0.5 * weights.astype(jnp.float32).mean(1) + 0.5 * jnp.eye(weights.shape[-1])


@jax.custom_vjp
def attention_rollout(weights):
    return rollout_forward(weights)[0]


def rollout_forward(weights):
    below = [jnp.eye(weights.shape[-1])]
    for matrix in layers(weights):
        below.append(matrix @ below[-1])
    return below[-1], (weights, below)


def rollout_backward(kept, slope):
    weights, below = kept
    slopes = []
    for matrix, under in zip(layers(weights)[::-1], below[-2::-1]):
        slopes.append(slope @ under.T)
        slope = matrix.T @ slope
    each = jnp.stack(slopes[::-1])[:, None] * (0.5 / weights.shape[1])
    return (jnp.broadcast_to(each, weights.shape).astype(weights.dtype),)


attention_rollout.defvjp(rollout_forward, rollout_backward)


def share(weights, coefficients):
    """For each head the sum of its weights, each times a coefficient, with the gradient that this has."""

    @jax.custom_vjp
    def total(weights, coefficients):
        return jnp.tensordot(weights.astype(jnp.float32), coefficients, axes=[[1, 2], [0, 1]])

    def backward(kept, slope):
        coefficients, like = kept
        return (slope[:, None, None] * coefficients).astype(like.dtype), jnp.zeros_like(coefficients)

    total.defvjp(lambda w, c: (total(w, c), (c, w[:0])), backward)
    return total(weights, coefficients)


def mean_distance(weights):
    T = weights.shape[-1]
    i, j = jnp.indices((T, T), jnp.float32)
    return share(weights, (jnp.maximum(i, j) - jnp.minimum(i, j)) / T)


def induction_score(weights, tokens):
    T = len(tokens)
    earlier = (tokens[:, None] == tokens) * jnp.tri(T, k=-1)
    wanted = earlier @ jnp.eye(T, k=1)  # one column to the right
    has = wanted.max(axis=1).sum()
    return share(weights, wanted / jnp.maximum(has, 1.0))
