"""42 · Wrong answers that people really give, each with its sentence."""

import math

import jax.numpy as jnp
import numpy as np

from grader.course import mistake


def _theta(width, base):
    return base ** (-np.arange(0, width, 2) / width)


# --- sinusoidal_encoding


@mistake("sinusoidal_encoding")
def sines_first_then_cosines(ref, length, d_model, base=10000.0):
    """All sines come first and all cosines after them: the two are concatenated. Some libraries do so, and a model that
    learns on top of it does not care; here, as in the paper, sine and cosine of one angle are neighbours, in columns 2i
    and 2i + 1. Stack them along a new last axis and reshape."""
    table = ref(length, d_model, base)
    return jnp.concatenate([table[:, 0::2], table[:, 1::2]], axis=1)


@mistake("sinusoidal_encoding")
def cosine_before_sine(ref, length, d_model, base=10000.0):
    """The cosines stand in the even columns and the sines in the odd ones. Column 2i is the sine, so the row of
    position 0 is 0, 1, 0, 1 and so on."""
    table = ref(length, d_model, base)
    return jnp.stack([table[:, 1::2], table[:, 0::2]], -1).reshape(table.shape)


@mistake("sinusoidal_encoding")
def sines_only(ref, length, d_model, base=10000.0):
    """Both columns of a pair are sines. With the cosine beside it a pair is a point on a circle, and a step of any
    length is a rotation of it; the sine alone is the same at two places of each turn."""
    return jnp.repeat(ref(length, d_model, base)[:, 0::2], 2, axis=1)


@mistake("sinusoidal_encoding", about="the exponent")
def a_frequency_for_each_column(ref, length, d_model, base=10000.0):
    """Each column has a frequency of its own: the exponent is j / d_model for column j. Sine and cosine of a pair share
    theirs, that of the even column: the exponent is 2i / d_model for both, or (j - j % 2) / d_model."""
    column = jnp.arange(d_model)
    angles = jnp.arange(length)[:, None] * base ** (-np.arange(d_model) / d_model)
    return jnp.where(column % 2 == 0, jnp.sin(angles), jnp.cos(angles))


@mistake("sinusoidal_encoding", about="the exponent")
def table_with_half_of_the_exponent(ref, length, d_model, base=10000.0):
    """The exponent is i / d_model, half of what it should be, so that the slowest pair is a hundred times too fast for
    a base of 10000. With i counting pairs it is 2i / d_model: `arange(0, d_model, 2) / d_model`, or `arange(d_model //
    2) / (d_model // 2)`."""
    return ref(length, d_model, base**0.5)


@mistake("sinusoidal_encoding", about="the exponent")
def table_with_twice_the_exponent(ref, length, d_model, base=10000.0):
    """The exponent is 4i / d_model, twice what it should be: `arange(0, d_model, 2)` is 2i already, and it is
    multiplied by 2 once more, or divided by half of the width."""
    return ref(length, d_model, base**2.0)


@mistake("sinusoidal_encoding", about="the exponent")
def table_that_ends_at_the_base(ref, length, d_model, base=10000.0):
    """The exponents end at 1: they are i / (pairs - 1), so that the slowest pair has a frequency of exactly 1 / base.
    Tensor2Tensor does it so. In the paper, and here, the exponents are 2i / d_model, and the last is a step short of 1:
    a `linspace` needs `endpoint=False`."""
    pairs = d_model // 2
    return ref(length, d_model, base ** (pairs / max(1, pairs - 1)))


@mistake("sinusoidal_encoding", about="the exponent", in_float32=(True,))
def multiplied_by_the_power(ref, length, d_model, base=10000.0, *, in_float32=False):
    """The position is multiplied by base^(2i / d_model) where it should be divided by it. The pairs then get faster
    instead of slower, and neighbouring positions have nothing in common."""
    if not in_float32:
        return ref(length, d_model, 1 / base)
    # angles in the thousands, and further apart by their rounding than any others: as most would write it
    angles = jnp.arange(length)[:, None] * base ** (jnp.arange(0, d_model, 2) / d_model)
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1).reshape(length, d_model)


@mistake("sinusoidal_encoding", about="the exponent")
def table_with_exponents_in_whole_numbers(ref, length, d_model, base=10000.0):
    """Every exponent is 0, so that every pair turns equally fast: `//` divides whole numbers and drops the fraction.
    The exponents are fractions from 0 to 1; write `/`."""
    return ref(length, d_model, 1.0)


@mistake("sinusoidal_encoding")
def table_with_exp_without_the_base(ref, length, d_model, base=10000.0):
    """The frequencies are exp(-2i / d_model), so that the base is e = 2.718. As an exponential, base^(-x) is exp(-x
    log(base)): the logarithm of the base is missing."""
    return ref(length, d_model, math.e)


@mistake("sinusoidal_encoding")
def table_of_base_10000(ref, length, d_model, base=10000.0):
    """The base is 10000 whatever is given. That is only its default; use the argument."""
    return ref(length, d_model)


@mistake("sinusoidal_encoding")
def table_from_position_1(ref, length, d_model, base=10000.0):
    """The first row is that of position 1. Positions count from 0, as `jnp.arange(length)` does, and the row of
    position 0 is 0, 1, 0, 1 and so on."""
    return ref(length + 1, d_model, base)[1:]


@mistake("sinusoidal_encoding")
def columns_by_rows(ref, length, d_model, base=10000.0):
    """The shape is (d_model, length). Positions are the rows: their column, `jnp.arange(length)[:, None]`, times the
    row of frequencies."""
    return ref(length, d_model, base).T


@mistake("sinusoidal_encoding")
def axis_for_a_batch(ref, length, d_model, base=10000.0):
    """There is an axis of length 1 in front, as in many tutorials that keep a batch there. (length, d_model) is asked
    for; it spreads over a batch as it is."""
    return ref(length, d_model, base)[None]


@mistake("sinusoidal_encoding")
def angles_in_whole_turns(ref, length, d_model, base=10000.0):
    """The angles are multiplied by 2π, as if frequencies counted turns. They are in radians: the first pair goes 1
    radian a position, and once round in 6.28."""
    angles = 2 * jnp.pi * jnp.arange(length)[:, None] * _theta(d_model, base)
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1).reshape(length, d_model)


@mistake("sinusoidal_encoding")
def table_in_bfloat16(ref, length, d_model, base=10000.0):
    """The table is bfloat16. Half precision is a matter of the model that adds it; the table is float32."""
    return ref(length, d_model, base).astype(jnp.bfloat16)


@mistake("sinusoidal_encoding", dtype=(jnp.float16,))
def table_of_angles_in_half_precision(ref, length, d_model, base=10000.0, *, dtype=jnp.bfloat16):
    """The angles are computed in half precision, and only the table is float32. bfloat16 counts to 256 and float16 to
    2048 before numbers are left out, so that far positions share a row. Make positions and frequencies float32, and
    cast the table, if at all."""
    angles = jnp.arange(length, dtype=dtype)[:, None] * _theta(d_model, base).astype(dtype)
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1).reshape(length, d_model).astype(jnp.float32)


# --- rotate


def _refuse(x):
    if x.shape[-1] % 2:
        raise ValueError


def _angles(x, positions, base):
    """The right angles, with an axis for the heads."""
    return (positions[..., None].astype(jnp.float32) * _theta(x.shape[-1], base).astype(np.float32))[..., None, :]


def _split(x):
    _refuse(x)
    return jnp.split(x.astype(jnp.float32), 2, axis=-1)


def _joined(first, second, x):
    return jnp.concatenate([first, second], axis=-1).astype(x.dtype)


def _turned(x, angles):
    """The right turn, by angles that may be wrong, one for each pair."""
    (first, second), cos, sin = _split(x), jnp.cos(angles), jnp.sin(angles)
    return _joined(first * cos - second * sin, second * cos + first * sin, x)


def _to_halves(x):
    """Features 0, 2, 4, … before 1, 3, 5, …: neighbours become partners in halves."""
    return jnp.concatenate([x[..., 0::2], x[..., 1::2]], axis=-1)


def _to_neighbours(x):
    """The reverse: partners in halves become neighbours."""
    return jnp.stack(jnp.split(x, 2, axis=-1), axis=-1).reshape(x.shape)


@mistake("rotate")
def interleaved_pairs(ref, x, positions, base=10000.0):
    """The pairs are neighbours, features 2i and 2i + 1, as in the paper, in GPT-J and in LLaMA's own code. Here they
    are features i and i + H/2, as in GPT-NeoX and in Hugging Face's LLaMA. Both are good models, but the weights of one
    are wrong in the other: split the features into halves, not into even and odd ones."""
    return _to_neighbours(ref(_to_halves(x), positions, base))


@mistake("rotate")
def turned_backwards(ref, x, positions, base=10000.0):
    """The pairs are turned the other way: by minus the angle. The two signs are exchanged, or halves are swapped as
    (x_j, -x_i), so that a score takes what comes before for what comes after. Lengths are right and a model trains as
    well, so nobody notices until weights come from elsewhere. The first member gets the minus: x_i cos - x_j sin."""
    return ref(x, -positions, base)


@mistake("rotate", axis=(1,))
def positions_counted_anew(ref, x, positions, base=10000.0, *, axis=-3):
    """The tokens are counted from 0, and the positions that are given are not looked at. In training the two are the
    same. A decoder with a cache gets one token a call, and where it stands only `positions` says."""
    return ref(x, jnp.arange(x.shape[axis]), base)


@mistake("rotate")
def positions_from_1(ref, x, positions, base=10000.0):
    """Each token is turned as far as the one after it: 1 is added to its position. Products of queries and keys do not
    show it; position 0 is to be left as it is."""
    return ref(x, positions + 1, base)


@mistake("rotate")
def positions_of_one_sequence(ref, x, positions, base=10000.0):
    """Every sequence is turned by the positions of the first one. Where positions have leading dimensions, each
    sequence has its own."""
    return ref(x, positions.reshape(-1, positions.shape[-1])[0], base)


@mistake("rotate")
def no_axis_for_the_heads(ref, x, positions, base=10000.0):
    """The angles, (..., T, H/2), meet x, (..., T, N, H), without an axis for the heads. Shapes do not fit then; or,
    where T and N are equal, each head is turned by the position of another token. Add the axis: `[..., None, :]`."""
    return _turned(x, _angles(x, positions, base)[..., 0, :])


@mistake("rotate", of=("angles", "outer"))
def axes_counted_from_the_front(ref, x, positions, base=10000.0, *, of="positions"):
    """The angles are made as if positions were (T,): an axis is counted from the front, as in `[:, None]`, or
    `jnp.outer` flattens what it gets. With leading dimensions the heads' axis then stands elsewhere. Count from the
    end: `positions[..., None]` times the frequencies, and `[..., None, :]`."""
    _refuse(x)
    theta = _theta(x.shape[-1], base).astype(np.float32)
    angles = {
        "positions": lambda: (positions[:, None].astype(jnp.float32) * theta)[:, None, :],
        "angles": lambda: (positions[..., None].astype(jnp.float32) * theta)[:, None],
        "outer": lambda: jnp.outer(positions.astype(jnp.float32), theta)[:, None],
    }
    return _turned(x, angles[of]())


@mistake("rotate")
def base_not_looked_at(ref, x, positions, base=10000.0):
    """The base is 10000 whatever is given. That is only its default; models for long texts use a larger one. Use the
    argument."""
    return ref(x, positions)


@mistake("rotate", about="the exponent")
def half_of_the_exponent(ref, x, positions, base=10000.0):
    """The exponent is -i / H, half of what it should be, so that the slow pairs are too fast. With i counting pairs it
    is -2i / H: the frequencies go from 1 nearly down to 1 / base. `arange(H // 2) / H` does this; `arange(0, H, 2) / H`
    is right."""
    return ref(x, positions, base**0.5)


@mistake("rotate", about="the exponent")
def twice_the_exponent(ref, x, positions, base=10000.0):
    """The exponent is -4i / H, twice what it should be: 2i is divided by the number of pairs, or doubled once more. It
    is -2i / H, with the whole width of a head."""
    return ref(x, positions, base**2.0)


@mistake("rotate", about="the exponent")
def width_of_the_model(ref, x, positions, base=10000.0):
    """The exponent is -2i / d_model, with the width of all heads together. Each head is turned by itself, with the same
    frequencies: the width is that of one head, `x.shape[-1]`."""
    return ref(x, positions, base ** (1 / x.shape[-2]))


@mistake("rotate", about="the exponent")
def last_pair_at_the_base(ref, x, positions, base=10000.0):
    """The exponents end at 1: they are i / (pairs - 1), and the slowest pair has a frequency of exactly 1 / base. They
    are 2i / H, and the last is a step short of 1: a `linspace` needs `endpoint=False`."""
    pairs = x.shape[-1] // 2
    return ref(x, positions, base ** (pairs / max(1, pairs - 1)))


@mistake("rotate", about="the exponent", in_float32=(True,))
def sign_of_the_exponent(ref, x, positions, base=10000.0, *, in_float32=False):
    """The frequencies are base^(+2i / H): the sign of the exponent, or a division, is missing. The first pair turns by
    1 radian a position, and the others have to be slower, not faster."""
    if not in_float32:
        return ref(x, positions, 1 / base)
    _refuse(x)
    theta = base ** (jnp.arange(0, x.shape[-1], 2) / x.shape[-1])
    return _turned(x, (positions[..., None] * theta)[..., None, :])


@mistake("rotate", about="the exponent")
def exponents_in_whole_numbers(ref, x, positions, base=10000.0):
    """Every pair is turned by the same angle: all exponents are 0, since `//` divides whole numbers and drops the
    fraction, or there is none. Pair i turns by base^(-2i / H) a position."""
    return ref(x, positions, 1.0)


@mistake("rotate")
def exponential_without_the_base(ref, x, positions, base=10000.0):
    """The frequencies are exp(-2i / H), so that the base is e = 2.718. As an exponential, base^(-y) is exp(-y
    log(base)): the logarithm of the base is missing."""
    return ref(x, positions, math.e)


@mistake("rotate")
def positions_in_whole_turns(ref, x, positions, base=10000.0):
    """The angles are multiplied by 2π, as if frequencies counted turns. They are in radians: the first pair turns by 1
    radian a position, and once round in 6.28."""
    return _turned(x, 2 * jnp.pi * _angles(x, positions, base))


@mistake("rotate")
def turned_before_the_split(ref, x, positions, base=10000.0):
    """All heads together are turned as one vector: pairs are N*H/2 features apart, in two different heads, and the
    frequencies go over all of them. Split into heads first; each head has H/2 pairs of its own, and all heads have the
    same frequencies."""
    _refuse(x)
    whole = x.reshape(*x.shape[:-2], 1, -1)
    return ref(whole, positions, base).reshape(x.shape)


@mistake("rotate", low=("positions", "frequencies", "frequencies, before they are float32 again"))
def angles_in_low_precision(ref, x, positions, base=10000.0, *, low="both"):
    """The angles are computed in the dtype of x. bfloat16 holds 8 binary digits: above 256 positions are left out, and
    at 40000 an angle is off by as much as 128 radians, so that far tokens are turned anywhere. Positions, frequencies
    and their product are float32; round the sines and cosines, or only the result."""
    _refuse(x)
    places, theta = positions[..., None], jnp.asarray(_theta(x.shape[-1], base), jnp.float32)
    if not low.startswith("frequencies"):
        places = places.astype(x.dtype)
    if low != "positions":
        theta = theta.astype(x.dtype)
    if low.endswith("again"):
        theta = theta.astype(jnp.float32)
    return _turned(x, (places * theta).astype(jnp.float32)[..., None, :])


@mistake("rotate", dtype=(jnp.float16,), theta=(jnp.float32,))
def angles_in_half_precision(ref, x, positions, base=10000.0, *, dtype=jnp.bfloat16, theta=None):
    """The angles, or the positions in them, are of half precision, whatever comes in. bfloat16 leaves positions out
    above 256 and float16 above 2048, and the frequencies have as few digits, so that far tokens are turned anywhere.
    Positions, frequencies and their product are float32."""
    _refuse(x)
    angles = positions[..., None].astype(dtype) * _theta(x.shape[-1], base).astype(theta or dtype)
    return _turned(x, angles.astype(jnp.float32)[..., None, :])


@mistake("rotate")
def frequencies_of_all_heads(ref, x, positions, base=10000.0):
    """Each head has frequencies of its own: those of the whole width d_model are dealt out to the heads, so that the
    last head hardly turns. All heads have the same H/2 frequencies, base^(-2i / H)."""
    _refuse(x)
    theta = _theta(x.shape[-1] * x.shape[-2], base).astype(np.float32).reshape(x.shape[-2], -1)
    return _turned(x, positions[..., None, None].astype(jnp.float32) * theta)


@mistake("rotate", rows=("T", 512, 1024, 2048, 8192, 16384), take=(True,))
def table_that_ends(ref, x, positions, base=10000.0, *, rows=4096, take=False):
    """Sines and cosines are looked up in a table that is shorter than the positions reach. JAX does not complain: an
    index beyond the end takes the last row, and `jnp.take` gives NaN. Positions are data, and how large they are is not
    known while tracing; compute the angles of those that came."""
    last = x.shape[-3] if rows == "T" else rows
    turned = ref(x, positions.clip(0, last - 1), base)
    return jnp.where((positions < last)[..., None, None], turned, jnp.nan) if take else turned


@mistake("rotate")
def lifted_to_float32(ref, x, positions, base=10000.0):
    """bfloat16 goes in and float32 comes out: float32 cosines lift what they multiply. Computing in float32 is right;
    cast the result back, `.astype(x.dtype)`."""
    return ref(x.astype(jnp.float32), positions, base)


@mistake("rotate")
def odd_width_left_to_jax(ref, x, positions, base=10000.0):
    """An odd width is left to JAX. Where the halves do not fit it raises TypeError, and for a width of 1 nothing: the
    empty half spreads over the other. Look at `x.shape[-1] % 2` first, and raise ValueError."""
    half = x.shape[-1] // 2
    first, second = x[..., :half].astype(jnp.float32), x[..., half:].astype(jnp.float32)
    angles = _angles(x[..., : 2 * half], positions, base)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return _joined(first * cos - second * sin, second * cos + first * sin, x)


@mistake("rotate")
def odd_width_by_assert(ref, x, positions, base=10000.0):
    """An odd width is refused by `assert`, which raises AssertionError, and nothing under `python -O`. The contract
    asks for ValueError: `if …: raise ValueError(…)`."""
    assert x.shape[-1] % 2 == 0
    return ref(x, positions, base)


@mistake("rotate")
def last_feature_left_alone(ref, x, positions, base=10000.0):
    """An odd width is accepted, and its last feature is left as it is. A caller with an odd width made a mistake before
    this, and hears nothing of it: raise ValueError."""
    if x.shape[-1] % 2:
        return jnp.concatenate([ref(x[..., :-1], positions, base), x[..., -1:]], axis=-1)
    return ref(x, positions, base)


@mistake("rotate")
def sine_and_cosine_swapped(ref, x, positions, base=10000.0):
    """Sines stand where cosines should, and the reverse: every pair is turned a quarter off, and backwards. At angle 0
    nothing moves: the cosine, which is 1 there, multiplies the feature itself, and the sine its partner."""
    (first, second), angles = _split(x), _angles(x, positions, base)
    cos, sin = jnp.sin(angles), jnp.cos(angles)
    return _joined(first * cos - second * sin, second * cos + first * sin, x)


@mistake("rotate")
def both_with_a_plus(ref, x, positions, base=10000.0):
    """Both members of a pair get a plus: x_i cos + x_j sin and x_j cos + x_i sin. That is no rotation, and lengths
    change: when the halves are swapped, the one that comes to the front gets a minus."""
    (first, second), angles = _split(x), _angles(x, positions, base)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return _joined(first * cos + second * sin, second * cos + first * sin, x)


@mistake("rotate")
def partner_is_missing(ref, x, positions, base=10000.0):
    """Each feature is multiplied by its cosine, and its partner has no part in it. Then a pair shrinks and does not
    turn: add the partner times the sine, with a minus for the first member."""
    (first, second), cos = _split(x), jnp.cos(_angles(x, positions, base))
    return _joined(first * cos, second * cos, x)


@mistake("rotate")
def turned_half_used_again(ref, x, positions, base=10000.0):
    """The second half is made of the first half as it is after the turn: the variable was overwritten before it was
    used. Both lines need the old numbers; assign the two at once, or give the results names of their own."""
    (first, second), angles = _split(x), _angles(x, positions, base)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    first = first * cos - second * sin
    return _joined(first, second * cos + first * sin, x)


@mistake("rotate")
def halves_change_places(ref, x, positions, base=10000.0):
    """The turned halves are joined in the wrong order: what belongs to the first half stands last. They go back where
    they came from, at position 0 every token as it was."""
    first, second = jnp.split(ref(x, positions, base), 2, axis=-1)
    return jnp.concatenate([second, first], axis=-1)


@mistake("rotate")
def angles_of_neighbours(ref, x, positions, base=10000.0):
    """The two members of a pair are turned by different angles: halves are swapped, but each frequency is repeated for
    two neighbours, as the interleaved layout needs it (`jnp.repeat`). In halves, feature i + H/2 has the angle of
    feature i: put the frequencies side by side twice, `jnp.concatenate([angles, angles], -1)`."""
    (first, second), angles = _split(x), jnp.repeat(_angles(x, positions, base), 2, axis=-1)
    swapped = _joined(-second, first, first)
    return (x.astype(jnp.float32) * jnp.cos(angles) + swapped * jnp.sin(angles)).astype(x.dtype)


@mistake("rotate")
def neighbours_with_angles_of_halves(ref, x, positions, base=10000.0):
    """Neighbours are turned as pairs, 2i with 2i + 1, by angles that are laid out for halves, so that the two of a pair
    get different ones. Two layouts are mixed; here features i and i + H/2 are a pair: swap halves, not neighbours."""
    (first, second), angles = _split(_to_halves(x)), jnp.tile(_angles(x, positions, base), 2)
    swapped = _to_neighbours(_joined(-second, first, first))
    return (x.astype(jnp.float32) * jnp.cos(angles) + swapped * jnp.sin(angles)).astype(x.dtype)


@mistake("rotate")
def halves_written_as_neighbours(ref, x, positions, base=10000.0):
    """The turned pairs are right, and written to the wrong places: the halves are stacked and reshaped, which puts
    partners side by side. They belong back where they came from: concatenate the two halves."""
    return _to_neighbours(ref(x, positions, base))


@mistake("rotate")
def neighbours_written_as_halves(ref, x, positions, base=10000.0):
    """Neighbours 2i and 2i + 1 are turned as pairs, and then written as two halves, so that features change places. The
    pairs are i and i + H/2: take halves apart and put halves together."""
    return ref(_to_halves(x), positions, base)


@mistake("rotate")
def added_and_not_turned(ref, x, positions, base=10000.0):
    """Sines and cosines of the angles are added to the features. That is what the sinusoidal encoding does with
    embeddings; a rotation multiplies, and what it does to a pair depends on the pair."""
    _refuse(x)
    angles = _angles(x, positions, base)
    return (x.astype(jnp.float32) + jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)).astype(x.dtype)


@mistake("rotate")
def by_length_and_angle(ref, x, positions, base=10000.0):
    """Values are right, and the gradient is NaN where a pair is zero: the pair is taken apart into its length and its
    angle, and neither has a slope at 0. Multiply by cosine and sine; that is linear in x, and needs no angle of the
    pair."""
    first, second = _split(x)
    length, angle = jnp.sqrt(first**2 + second**2), jnp.arctan2(second, first)
    angle = angle + _angles(x, positions, base)
    return _joined(length * jnp.cos(angle), length * jnp.sin(angle), x)
