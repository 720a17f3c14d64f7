"""60 · What is certain of something drawn, and gradients where not every number is asked for."""

import jax
import jax.numpy as jnp

KEYS = 160  # under so many some weights are dropped and some stay, but once in 10²⁴ runs


def smallest_and_largest(names, key, weights, rate):
    """Of weights that are all alike, under many keys: what stands where they are dropped, then the smallest and the
    largest of what stays."""

    def one(key):
        return names.attention_dropout(key, weights, rate)

    came = jax.vmap(one)(jax.random.split(key, KEYS))
    return of_dropped_and_kept(came, came)


def slopes(names, key, weights, rate):
    """The same of the gradient that each weight gets, where every entry of the output has the gradient 1."""

    def one(key):
        came, pullback = jax.vjp(lambda weights: names.attention_dropout(key, weights, rate), weights)
        (slope,) = pullback(jnp.ones_like(came))
        return came, slope.astype(came.dtype)

    return of_dropped_and_kept(*jax.vmap(one)(jax.random.split(key, KEYS)))


def of_dropped_and_kept(came, numbers):
    """NaN is no 0, and comes through."""
    kept = came != 0
    of_dropped = jnp.where(kept, 0, jnp.abs(numbers)).max()
    return jnp.stack([of_dropped, jnp.where(kept, numbers, jnp.inf).min(), jnp.where(kept, numbers, -jnp.inf).max()])


def slopes_of_entropy(names, weights):
    """The gradient of all entropies, each times the number of its row, from 1; where a weight is 0 any finite number
    counts as 0."""
    entropies, pullback = jax.vjp(names.attention_entropy, weights)
    numbers = 1.0 + jnp.arange(entropies.size, dtype=entropies.dtype).reshape(entropies.shape)
    (slope,) = pullback(numbers)
    return jnp.where((weights == 0) & jnp.isfinite(slope), 0.0, slope).astype(entropies.dtype)


def entropy_of_scores(names, scores, mask):
    """The entropies of a softmax that gives hidden keys the weight 0."""
    return names.attention_entropy(jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1))
