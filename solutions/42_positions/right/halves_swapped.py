"""As in many model files: the whole vector times the cosines, plus the vector with its halves swapped times the sines,
which are rounded to the dtype of `x` first."""

import jax.numpy as jnp


def sinusoidal_encoding(length, d_model, base=10000.0):
    encoding = jnp.zeros((length, d_model), jnp.float32)
    position = jnp.arange(length, dtype=jnp.float32)[:, None]
    divisor = jnp.power(base, jnp.arange(0, d_model, 2, dtype=jnp.float32) / d_model)
    encoding = encoding.at[:, 0::2].set(jnp.sin(position / divisor))
    return encoding.at[:, 1::2].set(jnp.cos(position / divisor))


def _swapped(x):
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([-second, first], axis=-1)


def rotate(x, positions, base=10000.0):
    dim = x.shape[-1]
    if dim % 2 != 0:
        raise ValueError("head_dim must be even")
    inv_freq = 1.0 / (base ** (jnp.arange(0, dim, 2, dtype=jnp.float32) / dim))
    freqs = jnp.einsum("...t,f->...tf", positions.astype(jnp.float32), inv_freq)
    emb = jnp.expand_dims(jnp.concatenate([freqs, freqs], axis=-1), -2)
    cos, sin = jnp.cos(emb).astype(x.dtype), jnp.sin(emb).astype(x.dtype)
    return x * cos + _swapped(x) * sin
