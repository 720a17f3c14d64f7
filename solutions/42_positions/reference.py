"""42 · The reference: Vaswani et al. 2017, section 3.5, and Su et al. 2021, section 3.2.2, with the pairs in halves."""

import jax.numpy as jnp
import numpy as np


def frequencies(width, base):
    # $\theta_i = b^{-2i/H}$, one for each pair, in radians a position: 1 for the first and nearly $1/b$ for the last.
    # `arange` in steps of two is $2i$ already. Width and base are Python numbers, so NumPy computes all of them in
    # float64 while the program is traced, and only one rounding is left, to the dtype of the angles. `jnp` in float32
    # would be accurate enough, too.
    return base ** (-np.arange(0, width, 2) / width)


def sinusoidal_encoding(length, d_model, base=10000.0):
    # All angles at once: positions as a column, frequencies as a row, `(length, d_model / 2)`. The positions are
    # integers, which float32 holds exactly up to $2^{24}$; the product is float32, also in a model of bfloat16.
    angles = jnp.arange(length)[:, None] * frequencies(d_model, base)
    # Sine and cosine of one angle are neighbours: stacked along a new last axis, `(length, d_model / 2, 2)`, and
    # flattened, they come to columns $2i$ and $2i + 1$. To concatenate them would put all sines first.
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1).reshape(length, d_model)


def rotate(x, positions, base=10000.0):
    # Refused here and by name. Half of an odd width leaves a feature over; JAX would raise a `TypeError` for a width of
    # 5, where the halves do not fit, and nothing at all for a width of 1, whose empty half broadcasts.
    width = x.shape[-1]
    if width % 2:
        raise ValueError(f"features are turned in pairs, and {width} is odd")
    # Angles are float32 or wider. bfloat16 has 8 digits in base 2: it holds 40 000 as 39 936, and an angle that is off
    # by 64 radians is a number of no meaning.
    wide = jnp.promote_types(x.dtype, jnp.float32)
    # $p\,\theta_i$, `(..., T, H/2)`. Positions come with the leading dimensions of `x` or with none, so axes are
    # counted from the end throughout.
    angles = positions[..., None].astype(wide) * frequencies(width, base).astype(wide)
    # Every head turns alike: an axis of length 1 before the last, `(..., T, 1, H/2)`, spreads over the `N` heads. What
    # leading dimensions are missing in front, broadcasting adds.
    cos, sin = jnp.cos(angles)[..., None, :], jnp.sin(angles)[..., None, :]
    # The pairs are features $i$ and $i + H/2$: all first members are the first half, all second ones the second.
    first, second = jnp.split(x.astype(wide), 2, axis=-1)
    # The turn, counter-clockwise, as a 2 × 2 matrix for each pair. Both lines use the old numbers. The result is
    # rounded once, to the dtype of `x`.
    turned = first * cos - second * sin, second * cos + first * sin
    return jnp.concatenate(turned, axis=-1).astype(x.dtype)


def error_scale(eps, x=None, positions=None, length=0, **rest):
    """How large the intermediate values are, in roundings of the output's dtype: those of the products, and the error
    of an angle that was computed in float32, which grows with the position."""
    # An honest angle is off by up to `p * 2^-22`: the exponent, the power, the product and the sine are all rounded to
    # float32. It moves a feature by that much times $|x_i| + |x_j|$. In bfloat16 the angle is the same, and a rounding
    # of the output is so much more. A gradient turns a cotangent, whose numbers are normal, in the place of `x`.
    largest = 1.0 if x is None else max(4.0, np.abs(x).max())
    farthest = length if positions is None else positions.max()
    return largest * (4 + 2.0**-21 * farthest / eps)
