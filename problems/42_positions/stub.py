"""42 · Positions: sinusoids and rotations. The lesson stands in README.md; `python -m grader 42` gives the verdict."""

from jaxtyping import Array, Float, Int


def sinusoidal_encoding(length: int, d_model: int, base: float = 10000.0) -> Float[Array, "length d_model"]:
    """A vector for each position, to be added to the embedding of its token (Vaswani et al. 2017, section 3.5).

    Args:
        length: how many positions, counted from 0; a Python integer.
        d_model: how many numbers for each, an even Python integer.
        base: 2π times this is the wavelength, in positions, that the columns grow towards; a Python float.

    Returns:
        In row p and column 2i the sine of the angle `p / base^(2i / d_model)` in radians, in column 2i + 1 its cosine;
        float32.
    """
    # TODO: the angles of all positions and pairs, then sines and cosines in their columns.
    raise NotImplementedError


def rotate(
    x: Float[Array, "... T N H"],
    positions: Int[Array, "... T"],
    base: float = 10000.0,
) -> Float[Array, "... T N H"]:
    """Rotary position embedding of queries or keys (Su et al. 2021, section 3.2.2), in halves.

    Args:
        x: queries or keys, split into heads; H features each.
        positions: where each token stands, int32 and not negative; with the leading dimensions of x, or with none, for
            all sequences alike. Positions in the tens of thousands are ordinary.
        base: as in `sinusoidal_encoding`; a Python float.

    Returns:
        For each token at position p and each head: features i and i + H/2, for every i below H/2, turned as a pair by
        the angle `p * base^(-2i / H)`, which is computed in float32 whatever the dtype of x:
        `(x_i cos - x_j sin, x_j cos + x_i sin)` with j = i + H/2. Shape and dtype are those of x.

    Raises:
        ValueError: H is odd.
    """
    # TODO: refuse an odd width; the angles, (..., T, H/2); an axis for the heads; then turn the halves.
    raise NotImplementedError
