"""One token as a function of its own, vectorised over everything in front of it, and a row of the table by `lax.map`."""

import functools

import jax
import jax.numpy as jnp


def sinusoidal_encoding(length, d_model, base=10000.0):
    column = jnp.arange(d_model)
    rate = jnp.float32(base) ** (-(column // 2) * 2 / d_model)

    def row(p):
        return jnp.where(column % 2 == 0, jnp.sin(p * rate), jnp.cos(p * rate))

    return jax.lax.map(row, jnp.arange(length, dtype=jnp.float32))


def rotate(x, positions, base=10000.0):
    heads, width = x.shape[-2:]
    if width % 2:
        raise ValueError(width)

    @functools.partial(jnp.vectorize, signature="(n,h),()->(n,h)")
    def turn(token, p):
        angles = jnp.tile(p / base ** (jnp.arange(width // 2) / (width // 2)), 2)
        partner = jnp.roll(token, width // 2, axis=1) * jnp.where(jnp.arange(width) < width // 2, -1, 1)
        return (token * jnp.cos(angles) + partner * jnp.sin(angles)).astype(token.dtype)

    return turn(x, positions)
