"""The features are put beside their partners, turned as neighbouring pairs as in the paper, and put back. A cosine is a
sine a quarter of a turn on."""

import jax.numpy as jnp
import numpy as np


def sinusoidal_encoding(length, d_model, base=10000.0):
    pair, quarter = np.divmod(np.arange(d_model), 2)
    return np.sin(np.arange(length)[:, np.newaxis] / base ** (2 * pair / d_model) + quarter * np.pi / 2)


def rotate(x, positions, base=10000.0):
    width = x.shape[-1]
    if width % 2:
        raise ValueError(f"cannot pair {width} features")
    order = np.arange(width).reshape(2, -1).T.ravel()  # 0, H/2, 1, H/2 + 1, …
    even, odd = x[..., order[0::2]], x[..., order[1::2]]
    angles = positions.astype(jnp.float32)[..., None, None] / base ** np.linspace(0, 1, width // 2, endpoint=False)
    turned = jnp.stack([even * jnp.cos(angles) - odd * jnp.sin(angles), even * jnp.sin(angles) + odd * jnp.cos(angles)])
    neighbours = jnp.moveaxis(turned, 0, -1).reshape(x.shape)
    return jnp.zeros_like(x).at[..., order].set(neighbours.astype(x.dtype))
