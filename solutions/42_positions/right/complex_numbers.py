"""A pair is a complex number, and a turn a product with one of length 1. Angles are taken modulo 2π first."""

import jax
import jax.numpy as jnp


def _phases(positions, width, base):
    angles = positions[..., None] * jnp.exp(-jnp.log(jnp.float32(base)) * jnp.arange(0, width, 2) / width)
    return jnp.exp(1j * (angles % (2 * jnp.pi)))


def sinusoidal_encoding(length, d_model, base=10000.0):
    phases = _phases(jnp.arange(length), d_model, base)
    return jnp.dstack([phases.imag, phases.real]).reshape(length, d_model)


def rotate(x, positions, base=10000.0):
    half, odd = divmod(x.shape[-1], 2)
    if odd:
        raise ValueError(f"{x.shape[-1]} is odd")
    wide = x.astype(jnp.float32)
    numbers = jax.lax.complex(wide[..., :half], wide[..., half:])
    turned = numbers * jnp.expand_dims(_phases(positions, 2 * half, base), -2)
    return jnp.concatenate([turned.real, turned.imag], axis=-1).astype(x.dtype)
