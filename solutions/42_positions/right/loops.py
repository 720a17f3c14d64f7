"""The definition as it stands: a loop over rows and columns with the math of Python, and one over the pairs."""

import math

import jax.numpy as jnp
import numpy as np


def sinusoidal_encoding(length, d_model, base=10000.0):
    table = np.empty((length, d_model), np.float32)
    for p in range(length):
        for column in range(d_model):
            angle = p / base ** ((column - column % 2) / d_model)
            table[p, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return jnp.array(table)


def rotate(x, positions, base=10000.0):
    h = x.shape[-1]
    if h % 2 == 1:
        raise ValueError("H is odd")
    columns = [None] * h
    for i in range(h // 2):
        angle = (positions * jnp.float32(base ** (-2 * i / h)))[..., None]
        a, b = x[..., i], x[..., i + h // 2]
        columns[i] = (a * jnp.cos(angle) - b * jnp.sin(angle)).astype(x.dtype)
        columns[i + h // 2] = (b * jnp.cos(angle) + a * jnp.sin(angle)).astype(x.dtype)
    return jnp.stack(columns, axis=-1)
