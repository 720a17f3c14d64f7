"""60 · What is certain of something drawn, and gradients where not every number is asked for."""

import jax
import jax.numpy as jnp


def smallest_and_largest(names, key, weights, rate):
    """Of weights that are all alike, so many that some are dropped and some stay: what is dropped, then the smallest
    and the largest of what stays."""
    return of_dropped_and_kept(names.attention_dropout(key, weights, rate))


def slopes(names, key, weights, rate):
    """The same of the gradient that each weight gets, where every entry of the output has the gradient 1."""
    dropped, pullback = jax.vjp(lambda weights: names.attention_dropout(key, weights, rate), weights)
    (slope,) = pullback(jnp.ones_like(dropped))
    return of_dropped_and_kept(dropped, slope)


def of_dropped_and_kept(came, numbers=None):
    numbers, kept = came if numbers is None else numbers, came != 0
    # NaN is none of these, and comes through
    largest_dropped = jnp.where(kept, 0, jnp.abs(numbers)).max()
    return jnp.stack(
        [
            largest_dropped,
            jnp.where(kept, numbers, jnp.inf).min(),
            jnp.where(kept, numbers, -jnp.inf).max(),
        ]
    )


def slopes_of_entropy(names, weights):
    """The gradient of all entropies, each times the number of its row, from 1; where a weight is 0 any finite number
    counts as 0."""
    entropies, pullback = jax.vjp(names.attention_entropy, weights)
    numbers = 1.0 + jnp.arange(entropies.size, dtype=entropies.dtype).reshape(entropies.shape)
    (slope,) = pullback(numbers)
    return jnp.where((weights == 0) & jnp.isfinite(slope), 0.0, slope)


def entropy_of_scores(names, scores, mask):
    """The entropies of a softmax that gives hidden keys the weight 0."""
    return names.attention_entropy(jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1))
