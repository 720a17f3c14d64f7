"""58 · The reference: See et al. 2017, equations 10 to 12, and Chorowski et al. 2015, equations 8 and 9. One method for
each step, so that a mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Additive(nnx.Module):
    """The attention of problem 55, with a place inside the tanh for what the steps before have left."""

    def make(self, d_query, d_key, d_attention, rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def attend(self, query, keys, past, mask):
        weights = self.weights(self.scores(query, keys, past), mask)
        return self.context(weights, keys), weights

    def scores(self, query, keys, past):
        # An index takes off the axis of length 1 and no other; `squeeze()` would take a batch of one along.
        return self.score(self.activate(self.joined(query, keys, self.told(past))))[..., 0]

    def joined(self, query, keys, told):
        """(..., d_query), (..., T, d_key), (..., T, d_attention) -> (..., T, d_attention)"""
        # A key and its past are both a row for each of the T keys, so these two fit as they are. Only the query has no
        # axis of keys and gets one.
        return self.query_proj(query)[..., None, :] + self.key_proj(keys) + told

    def activate(self, joined):
        # All three terms go through one tanh, so that each changes what the others say. Added after it, the past would
        # move the score of a key by as much for any query.
        return jnp.tanh(joined)

    def weights(self, scores, mask):
        # In `float32` whatever the parameters are. `where` leaves hidden scores out of maximum and sum, NaN too, and
        # gives zeros, with gradients of zeros, where nothing is left. `None` means that all count.
        scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
        return jax.nn.softmax(scores, axis=-1, where=mask)

    def context(self, weights, keys):
        return jnp.einsum("...t,...td->...d", weights, keys.astype(weights.dtype)).astype(keys.dtype)


class CoverageAttention(Additive):
    def __init__(self, d_query, d_key, d_attention, *, rngs):
        self.make(d_query, d_key, d_attention, rngs)
        # $w_c$: one number of a key becomes $d_\text{attention}$ of them. The paper writes a vector, which is a matrix
        # with one row.
        self.coverage_proj = nnx.Linear(1, d_attention, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, coverage, mask=None):
        # The order is the point: first the coverage as it came is used, then it is counted on.
        # $c^t = \sum_{t' < t} a^{t'}$ holds no weight of step $t$ itself, which is not known before the softmax.
        context, weights = self.attend(query, keys, coverage, mask)
        return context, weights, self.counted(coverage, weights)

    def told(self, coverage):
        """(..., T) -> (..., T, d_attention)"""
        # A Linear works on the last axis, and wants one of length 1 there: each key has its own number, and `T` is no
        # axis of features.
        return self.coverage_proj(coverage[..., None])

    def counted(self, coverage, weights):
        # A plain sum, which grows with the steps: after $t$ of them it is $t$ over all keys. It stays `float32`. In
        # `bfloat16` a sum of 256 would not notice a weight of 1.
        return coverage + weights


def coverage_loss(weights):
    weights = weights.astype(jnp.promote_types(weights.dtype, jnp.float32))
    # $\frac{1}{T_\text{out}} \sum_t \sum_i \min(a_i^t, c_i^t)$: summed over the keys, averaged over all steps. A weight
    # on a key that has had none costs nothing; of one that has had plenty it costs all of itself. The minimum is at
    # most the weight, so that no step costs more than 1, however long it took to get there.
    return _overlap(weights, _before(weights)).sum(axis=1).mean(axis=0)


def _before(weights):
    """What every key has had in the steps before each, (T_out, T_in)."""
    # Steps are the first axis. `cumsum` counts each step itself too, so that is taken off: the first row is zeros. The
    # gradient comes back through the sum, and tells earlier steps what they cost later ones.
    return jnp.cumsum(weights, axis=0) - weights


def _overlap(weights, before):
    return jnp.minimum(weights, before)


class LocationAttention(Additive):
    def __init__(self, d_query, d_key, d_attention, num_filters, kernel_size, *, rngs):
        self.make(d_query, d_key, d_attention, rngs)
        # $F$: the weights of the step before are a signal over the keys, with one feature for each key. `nnx.Conv`
        # adds a bias unless it is told not to.
        self.location_conv = nnx.Conv(1, num_filters, (kernel_size,), padding="SAME", use_bias=False, rngs=rngs)
        # $U$
        self.location_proj = nnx.Linear(num_filters, d_attention, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, previous, mask=None):
        return self.attend(query, keys, previous, mask)

    def told(self, previous):
        # $U f_j$ with $f = F * \alpha_{t-1}$.
        return self.location_proj(self.features(previous))

    def features(self, previous):
        """(..., T) -> (..., T, num_filters)"""
        # The last axis holds features, the one before it is what a Conv moves along; all others are a batch. SAME puts
        # zeros around, (kernel_size - 1) / 2 on either side, so that key j reads the weights around j, and there are as
        # many rows as keys however long the kernel is.
        return self.location_conv(previous[..., None])


def error_scale(weights=None, params=None, kernels=None, *, eps, inputs_eps, init=None, tied=None, **call):
    """How large the intermediate values are."""
    if weights is not None:
        # What is right for half-precision weights is computed in float32 itself, and is off by some roundings of its
        # own.
        return (1 + weights.sum(0).max()) * (16 if eps < inputs_eps else 1)
    if kernels is not None:
        params = {f"{name}.kernel": kernel for name, kernel in kernels.items()}
    score, key = _sizes(params, **call)
    # The weights are float32 where nothing else is. What they are made of was rounded to half precision then, and that
    # is what moves them.
    return score * inputs_eps / eps if eps < inputs_eps else score * max(1.0, key)


def _sizes(params, query, keys, mask=None, coverage=None, previous=None):
    """1 + how far roundings move a score, and the largest number of a key, of visible keys."""
    # A hidden unit adds its weight times tanh to a score. Rounded are the sum inside, which moves tanh by as much as
    # tanh is steep there, and tanh itself.
    seen = np.ones(keys.shape[:-1], bool) if mask is None else mask
    keys = np.where(seen[..., None], keys, 0.0)
    own, other = (query @ params["query_proj.kernel"])[..., None, :], keys @ params["key_proj.kernel"]
    told, told_at_most = _told(params, coverage, previous)
    value = np.tanh(own + other + told)
    moved = np.abs(value) + (np.abs(own) + np.abs(other) + told_at_most) * (1 - value**2)
    return 1 + (moved @ np.abs(params["score.kernel"]))[seen].max(initial=0.0), np.abs(keys).max()


def _told(params, coverage, previous):
    """What is added of the past, and how large its terms are."""
    if previous is None:
        told = coverage[..., None] * params["coverage_proj.kernel"]
        return told, np.abs(told)
    kernel, reach = params["location_conv.kernel"][:, 0], len(params["location_conv.kernel"]) // 2
    padded = np.pad(previous, [(0, 0)] * (previous.ndim - 1) + [(reach, reach)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=-1)
    projection = params["location_proj.kernel"]
    return windows @ kernel @ projection, windows @ np.abs(kernel) @ np.abs(projection)
