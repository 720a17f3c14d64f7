"""59 · Losses; and what is certain of something drawn: gradients, counted from the row that was drawn."""

import jax
import jax.numpy as jnp


def curved(row):
    """Half the squared distance from 0, 1/2, 1 and so on: the loss of a mean of rows is less than their mean loss."""
    target = 0.5 * jnp.arange(row.shape[-1], dtype=jnp.float32)
    return 0.5 * jnp.sum((row.astype(jnp.float32) - target) ** 2)


def roots(row):
    """The sum of the square roots. A row with a number below 0 has neither a loss nor a gradient: both are NaN."""
    return jnp.sum(jnp.sqrt(row.astype(jnp.float32)))


# Hard attention


def drawn_index(names, key, scores, values):
    """The index alone."""
    return names.hard_attention(key, scores, values)[1]


def hard_slopes(names, key, scores, values):
    """How far the row is from `values[i]`; and for a gradient of 1, 2, 3 and so on what the scores get, and what the
    rows of the values get, in turn from row `i`."""
    (row, index), pullback = jax.vjp(lambda *smooth: names.hard_attention(key, *smooth), scores, values)
    of_scores, of_values = pullback((numbers(row), jnp.zeros(jnp.shape(index), jax.dtypes.float0)))
    return {"off": row - values[index], "scores": of_scores, "values": jnp.roll(of_values, -index, axis=0)}


# Straight-through attention


def slope_of_scores(names, key, scores, values):
    """What the scores get, for a gradient of 1, 2, 3 and so on."""
    row, pullback = jax.vjp(lambda scores: names.straight_through_attention(key, scores, values), scores)
    return pullback(numbers(row))[0].astype(row.dtype)


def slopes_of_values(names, key, scores, values):
    """How far the row is from the nearest one of `values`, and what the rows of the values get, in turn from that."""
    row, pullback = jax.vjp(lambda values: names.straight_through_attention(key, scores, values), values)
    (of_values,) = pullback(numbers(row))
    nearest = jnp.argmin(jnp.abs(values - row).max(axis=-1))
    return {"off": (row - values[nearest]).astype(row.dtype), "values": jnp.roll(of_values, -nearest, axis=0)}


def numbers(row):
    return 1 + jnp.arange(row.size, dtype=row.dtype).reshape(row.shape)


# A surrogate: its value is free


def slopes(names, key, scores, values, loss, baseline):
    """All gradients of the surrogate; 0 stands for its value."""

    def surrogate(*smooth):
        return names.reinforce_surrogate(key, *smooth[:2], loss, smooth[2])

    value, pullback = jax.vjp(surrogate, scores, values, baseline)
    of_scores, of_values, of_baseline = pullback(jnp.ones_like(value))
    return {"surrogate": jnp.zeros_like(value), "scores": of_scores, "values": of_values, "baseline": of_baseline}


def slopes_of_a_draw(names, key, scores, values, loss, baseline):
    """A row for each key, in the dtype of the surrogate: the gradient of its score, then that of its row of the
    values."""
    found = slopes(names, key, scores, values, loss, baseline)
    return jnp.column_stack([found["scores"], found["values"]]).astype(found["surrogate"].dtype)


def slopes_in_turn(names, key, scores, values, loss, baseline):
    """All gradients, in turn from the row whose values get one: that is the row that was drawn."""
    found = slopes(names, key, scores, values, loss, baseline)
    first = row_with_a_slope(found)
    return {**found, **{name: jnp.roll(found[name], -first, axis=0) for name in ("scores", "values")}}


def row_drawn(names, key, scores, values, loss, baseline):
    """The number of the row whose values get a gradient, in the dtype of the surrogate."""
    found = slopes(names, key, scores, values, loss, baseline)
    return row_with_a_slope(found).astype(found["surrogate"].dtype)


def row_with_a_slope(found):
    return jnp.argmax(jnp.abs(found["values"]).max(axis=-1))
