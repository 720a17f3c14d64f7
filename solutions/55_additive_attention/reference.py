"""55 · The reference: Bahdanau et al. 2014, equations 5 and 6 and appendix A.1.2. One method for each step, so that a
mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query, d_key, d_attention, *, rngs):
        self.make(d_query, d_key, d_attention, rngs)

    def make(self, d_query, d_key, d_attention, rngs):
        # $W_a$ and $U_a$: two matrices that lead from two widths into one, where query and key can be added. Neither
        # width has to be that of the other, nor $d_\text{attention}$, which is free.
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        # $v_a$, as a layer with one output. A bias would add the same number to all scores of a row, and a softmax does
        # not see that.
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        # The weights are worth having: they are the alignment, and the next problems look at it and add to it.
        weights = self.weights(self.scores(query, keys), mask)
        return self.context(weights, keys), weights

    def scores(self, query, keys):
        # The layer gives $(\dots, T, 1)$, and the last axis has to go before the softmax. An index takes off that axis
        # and no other; `squeeze()` would take a batch of one, or a single key, along.
        return self.score(self.activate(self.joined(query, keys)))[..., 0]

    def joined(self, query, keys):
        """(..., d_query) and (..., T, d_key) -> (..., T, d_attention)"""
        # The sum of every key with the one query. The query has no axis for the keys: it gets one of length 1, counted
        # from the end, for any number of leading dimensions. The same product `key_proj(keys)` serves every query.
        return self.query_proj(query)[..., None, :] + self.key_proj(keys)

    def activate(self, joined):
        # Without it the score would be a sum of something of the query and something of the key. The first is the same
        # for all keys, so that the softmax would drop it.
        return jnp.tanh(joined)

    def weights(self, scores, mask):
        """The softmax over the keys that may be attended to. Where there are none the weights are zeros, and so are the
        gradients."""
        # In `float32` whatever the parameters are, and handed out so. There is no scale: tanh is at most 1, so a score
        # is at most the sum of $|v_a|$, however wide query and key are.
        scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
        # `where` leaves the hidden scores out of the maximum and out of the sum, and gives them the weight 0, also
        # where one is NaN: huge keys have infinite projections, of either sign, and inf - inf is no number. `None`
        # means that all count.
        return jax.nn.softmax(scores, axis=-1, where=mask)

    def context(self, weights, keys):
        # $c = \sum_t \alpha_t h_t$: the average of the keys themselves, of width $d_\text{key}$. What they are
        # projected to serves the comparison only. A hidden key has the weight 0, which removes it as long as it is
        # finite. The sum is in `float32`, the context in the dtype of the keys.
        return jnp.einsum("...t,...td->...d", weights, keys.astype(weights.dtype)).astype(keys.dtype)


def error_scale(init, params, query, keys, mask=None, *, eps, inputs_eps):
    """How large the intermediate values are: (1 + how far roundings move a score) max |key|, of visible keys."""
    # A hidden unit adds its weight times tanh to a score. Rounded are the sum inside, which moves tanh by as much as
    # tanh is steep there, and tanh itself.
    seen = np.ones(keys.shape[:-1], bool) if mask is None else mask
    keys = np.where(seen[..., None], keys, 0.0)
    own, other = query @ params["query_proj.kernel"], keys @ params["key_proj.kernel"]
    value = np.tanh(own[..., None, :] + other)
    moved = np.abs(value) + (np.abs(own)[..., None, :] + np.abs(other)) * (1 - value**2)
    scale = 1 + (moved @ np.abs(params["score.kernel"]))[seen].max(initial=0.0)
    # The weights are float32 where nothing else is. What they are made of was rounded to half precision then, and that
    # is what moves them.
    if eps < inputs_eps:
        return scale * inputs_eps / eps
    return scale * np.abs(keys).max()
