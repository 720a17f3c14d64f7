"""A matrix of 2 × 2 for each token and pair, by einops and einsum; the encoding as its column of sine and cosine."""

import jax.numpy as jnp
from einops import rearrange


def _matrices(positions, width, base):
    theta = jnp.logspace(0, -(width - 2) / width, width // 2, base=base)
    angles = jnp.multiply.outer(positions, theta)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return jnp.array([[cos, -sin], [sin, cos]])


def sinusoidal_encoding(length, d_model, base=10000.0):
    return rearrange(_matrices(jnp.arange(length), d_model, base)[1], "two t pair -> t (pair two)")


def rotate(x, positions, base=10000.0):
    if x.shape[-1] & 1:
        raise ValueError("an odd number of features")
    pairs = rearrange(x, "... (two pair) -> ... two pair", two=2)
    turned = jnp.einsum("ab...ti,...tnbi->...tnai", _matrices(positions, x.shape[-1], base), pairs)
    return rearrange(turned, "... two pair -> ... (two pair)").astype(x.dtype)
