"""41 · The reference: a threshold for each filter, found in sorted logits; and a draw by the largest of logits and
noise."""

import jax
import jax.numpy as jnp
import numpy as np


def filter_logits(logits, temperature, top_k=None, top_p=None):
    # Everything is decided in `float32`, or in `float64` if the logits are: eight bits of a bfloat16 are too few for a
    # sum of probabilities. The temperature comes first, since top-p asks for probabilities, and these depend on it.
    # Dividing by an array keeps the temperature out of the program's text: one program serves every value.
    scaled = _wide(logits) / temperature
    # A filter gives the smallest logit that stays. To compare with it keeps the entries at their places, so that there
    # is nothing to bring back after sorting, and equals share their fate by themselves.
    if top_k is not None:
        scaled = _at_least(scaled, _kth_largest(scaled, top_k))
    # What top-k took has become -inf by now and has the probability 0: the softmax of what is left is renormalised.
    if top_p is not None:
        scaled = _at_least(scaled, _smallest_of_the_nucleus(scaled, top_p))
    # The output has the dtype of the logits, as every array of the model has.
    return scaled.astype(logits.dtype)


def sample_token(key, logits, temperature, top_k=None, top_p=None):
    # The answer for temperature 0. `argmax` gives the first of equals, and no filter takes the largest away, so there
    # is no need to look at one.
    largest = jnp.argmax(logits, axis=-1)
    # The answer for every other temperature. It is computed for 0 as well, where nobody looks at it: `temperature` is
    # traced, and no Python `if` can ask it. Dividing by 1 there, and not by 0, avoids NaN in what is thrown away.
    filtered = filter_logits(_wide(logits), jnp.where(temperature == 0, 1.0, temperature), top_k, top_p)
    # `categorical` adds Gumbel noise of the shape of the logits, one number for each entry of each place, and takes the
    # largest: places of a batch are independent under one key. It takes logits, not probabilities. The noise has the
    # dtype of the logits, which is why they are made `float32` before they come here.
    drawn = jax.random.categorical(key, filtered, axis=-1)
    return jnp.where(temperature == 0, largest, drawn).astype(jnp.int32)


def _wide(logits):
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))


def _at_least(scaled, threshold):
    # `where` replaces. A product with a mask of 0 and 1 would give 0, which is a good logit, and 0 times -inf is NaN.
    return jnp.where(scaled >= threshold, scaled, -jnp.inf)


def _kth_largest(scaled, top_k):
    # Shapes are static, so that `min` is Python's: there is no k-th largest of fewer. Equals are counted one by one,
    # and where fewer than $k$ entries are finite the threshold is -inf.
    return jax.lax.top_k(scaled, min(top_k, scaled.shape[-1]))[0][..., -1:]


def _smallest_of_the_nucleus(scaled, top_p):
    descending = jnp.sort(scaled, axis=-1, descending=True)
    # The softmax takes off the maximum, so that large logits do not overflow.
    weights = jax.nn.softmax(descending, axis=-1)
    # What stands before an entry is the sum without the entry itself. So the first one has 0 before it, and stays
    # whatever `top_p` is, and the token whose probability crosses `top_p` stays, since it had less before it.
    before = jnp.cumsum(weights, axis=-1) - weights
    # Among equals the first has only strictly larger entries before it. The smallest logit that stays is found by it;
    # later ones of its equals may be left out here, and come back by the comparison with the threshold.
    return jnp.where(before < top_p, descending, jnp.inf).min(axis=-1, keepdims=True)


def error_scale(logits, temperature=1.0, temperatures=None, **others):
    """How large the logits are after the division."""
    sizes = np.abs(logits[np.isfinite(logits)])
    return 1 + sizes.max() / (temperature or 1.0) if temperatures is None else 1.0
