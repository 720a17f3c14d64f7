"""56 · The reference: Luong et al. 2015, sections 3.1 and 3.2. One method for each step, so that a mistake can change
one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

SCORES = ("dot", "general", "concat")


class LuongAttention(nnx.Module):
    def __init__(self, d_query, d_key, score, *, rngs):
        # First what has no score at all. A word that nobody knows would otherwise surface in the first call, or, with
        # an `else` for the last of three, never.
        self.refuse(d_query, d_key, score)
        # A Python string, and so a part of the program: which score is taken is decided while it is traced.
        self.score = score
        self.make(d_query, d_key, rngs)

    def refuse(self, d_query, d_key, score):
        if score not in SCORES:
            raise ValueError(f"score is {score!r}, and not one of {', '.join(SCORES)}")
        # Only the plain product needs equal widths: the other two have a kernel that brings them together.
        if score == "dot" and d_query != d_key:
            raise ValueError(f"a query of width {d_query} has no product with keys of width {d_key}")

    def make(self, d_query, d_key, rngs):
        # Each score has the layers that it uses. A layer that nothing uses would be saved, decayed and counted all the
        # same. In "general" it is the key that is brought to the query's width.
        if self.score == "general":
            self.score_proj = self.layer(d_key, d_query, rngs)
        # In "concat" the query comes first. $W [q; k] = W_q q + W_k k$: the first `d_query` rows of the kernel are for
        # the query, the others for the key. Then one number is left of each hidden unit.
        if self.score == "concat":
            self.score_proj = self.layer(d_query + d_key, d_query, rngs)
            self.score_vector = self.layer(d_query, 1, rngs)
        # In the output the context comes first.
        self.out_proj = self.layer(d_key + d_query, d_query, rngs)

    def layer(self, d_in, d_out, rngs):
        return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        # Three steps: which keys, what stands there, and what the decoder makes of it.
        weights = self.weights(self.scores(query, keys), mask)
        return self.output(self.context(weights, keys), query), weights

    def scores(self, query, keys):
        """(..., d_query), (..., T, d_key) -> (..., T)"""
        # One of the three methods below, by its name.
        return {"dot": self.dot, "general": self.general, "concat": self.concat}[self.score](query, keys)

    def dot(self, query, keys):
        # $q \cdot k$, and no scale: Luong has none. The query has no axis of keys, and the einsum does not ask for one.
        # `keys @ query` would do for a single sequence; with a batch it is another product. The sum is in float32 or
        # better, whatever comes in: the answer key takes this for the truth.
        wide = jnp.promote_types(query.dtype, jnp.float32)
        return jnp.einsum("...q,...tq->...t", query, keys, preferred_element_type=wide)

    def general(self, query, keys):
        # $q \cdot (W k)$. A Linear works on the last axis, so all keys go through it at once. The query does not:
        # $(W q) \cdot k$ is another number, unless $W$ is symmetric.
        return self.dot(query, self.score_proj(keys))

    def concat(self, query, keys):
        # The query is put beside every key, `(..., T, d_query + d_key)`. The last axis of the result, of length 1, is
        # taken off by its number: `squeeze()` would take off others, where there is one key or one sequence.
        beside = jnp.broadcast_to(query[..., None, :], (*keys.shape[:-1], query.shape[-1]))
        return self.score_vector(self.activate(self.score_proj(self.both(beside, keys))))[..., 0]

    def both(self, beside, keys):
        return jnp.concatenate([beside, keys], axis=-1)

    def activate(self, hidden):
        # Without this nothing of the query is left: $v \cdot W_q q$ is the same for every key, and a softmax does not
        # notice what is added to all of its scores.
        return jnp.tanh(hidden)

    def weights(self, scores, mask):
        # In float32, whatever the scores are: weights come out so. (float64 when they are: the answer key needs it.)
        return self.softmax(scores.astype(jnp.promote_types(scores.dtype, jnp.float32)), mask)

    def softmax(self, scores, mask):
        # With `where` the hidden keys are left out of maximum and sum, and their weight is exactly 0; a row with no key
        # at all gets zeros, and zeros for a gradient. Hiding comes before the softmax: afterwards a hidden key has had
        # its share of the sum.
        return jax.nn.softmax(scores, axis=-1, where=mask)

    def context(self, weights, keys):
        # $\sum_t w_t k_t$, of the keys themselves and not of what `score_proj` makes of them. Whatever finite number
        # stands at a hidden key, 0 times it is 0. The sum is taken in float32 and comes back to the dtype of the keys.
        return jnp.einsum("...t,...td->...d", weights, keys.astype(weights.dtype)).astype(keys.dtype)

    def output(self, context, query):
        # $\tilde h = \tanh(W_c [c; h])$, equation 5. Nothing is special where there was no key: the context is zeros.
        return jnp.tanh(self.out_proj(self.joined(context, query)))

    def joined(self, context, query):
        return jnp.concatenate([context, query], axis=-1)


class LocalAttention(nnx.Module):
    def __init__(self, d_query, half_width, *, rngs):
        # $D$ is a Python number; the window is two comparisons with it, and $\sigma$ half of it.
        self.half_width = half_width
        self.make(d_query, rngs)

    def make(self, d_query, rngs):
        # $W_p$ and $v_p$ of equation 9. They see the query alone: where to look is said before any key is looked at.
        self.position_proj = self.layer(d_query, d_query, rngs)
        self.position_vector = self.layer(d_query, 1, rngs)

    def layer(self, d_in, d_out, rngs):
        return nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, position=None):
        # How far each key is from the centre, `(T,)`. All that follows goes by these numbers, so that windows at an
        # end, or beyond both, are no special cases: the keys that would be there do not exist.
        away = self.away(self.centre(query, len(keys), position), len(keys))
        near = self.softmax(self.scores(query, keys), self.window(away))
        # The softmax says which of the keys in the window, the Gaussian how far off they are. What is lost to the
        # second is not given back: the weights sum to less than 1.
        weights = self.joined(near, self.gaussian(away))
        return self.context(weights, keys), weights

    def centre(self, query, length, position):
        # `is None` is a question about Python. A traced number cannot be asked whether it is true, and 0 is a position.
        return self.said(query, length) if position is None else self.given(position, length)

    def given(self, position, length):
        return position

    def said(self, query, length):
        # $p = T \cdot \text{sigmoid}(v_p \cdot \tanh(W_p q))$. In half precision a place among hundreds would be off by
        # whole keys, so from here on it is float32. It is a real number and stays one: a rounded one has no gradient.
        told = self.logit(query)
        return length * jax.nn.sigmoid(told.astype(jnp.promote_types(told.dtype, jnp.float32)))

    def logit(self, query):
        return self.position_vector(jnp.tanh(self.position_proj(query)))[0]

    def away(self, centre, length):
        # $s - p$ with $s = 0, \dots, T - 1$.
        return jnp.arange(length) - centre

    def window(self, away):
        # Both ends belong to it. The comparison has no gradient; that of the centre comes from the Gaussian.
        return jnp.abs(away) <= self.half_width

    def gaussian(self, away):
        # $\sigma = D / 2$, so that a key at the edge keeps $e^{-2} \approx 0.14$.
        sigma = self.half_width / 2
        return jnp.exp(-(away**2) / (2 * sigma**2))

    def scores(self, query, keys):
        # $q \cdot k$ for every key, in the window or not, and not scaled. `(T,)`, in float32 from here on.
        return jnp.matmul(keys, query, preferred_element_type=jnp.promote_types(query.dtype, jnp.float32))

    def softmax(self, scores, within):
        # Over the window *alone*: what is outside is not in the sum, however high it scores.
        return jax.nn.softmax(scores, where=within)

    def joined(self, near, gaussian):
        return near * gaussian

    def context(self, weights, keys):
        return (weights @ keys.astype(weights.dtype)).astype(keys.dtype)


def error_scale(init, params, query, keys, mask=None, position=None, *, eps, inputs_eps):
    """How large the intermediate values are, over the keys that are seen: (1 + how large a score may get on its way)
    times the largest key. Where the centre is computed, also by how much its rounding moves a weight."""
    # Rounding errors grow with the largest score and the largest key. Hidden keys may be as large as 3e38, and any
    # tolerance that follows from them would let everything pass. A score counts with its terms, which may cancel.
    keys = keys[..., _within(init, params, query, keys, position), :] if mask is None else keys * mask[..., None]
    scale = 1 + _score(init, params, query, keys)
    if "half_width" in init and position is None:
        scale += 4 * _centre(params, query, len(keys)) / init["half_width"]
    # The weights are float32 where keys and parameters are not: then what they are made of was rounded to half
    # precision, and that is what moves them.
    if eps < inputs_eps:
        return scale * inputs_eps / eps
    return scale * max(1.0, np.abs(keys).max(initial=0.0))


def _within(init, params, query, keys, position):
    """Which keys are in the window, where there is one."""
    if "half_width" not in init:
        return slice(None)
    centre = _centre(params, query, len(keys)) if position is None else position
    return np.abs(np.arange(len(keys)) - centre) <= init["half_width"]


def _score(init, params, query, keys):
    if init.get("score") == "concat":
        return np.abs(params["score_vector.kernel"]).sum()
    met = np.abs(keys) @ np.abs(params["score_proj.kernel"]) if init.get("score") == "general" else np.abs(keys)
    return np.einsum("...q,...tq->...t", np.abs(query), met).max(initial=0.0)


def _centre(params, query, length):
    told = np.tanh(query @ params["position_proj.kernel"]) @ params["position_vector.kernel"]
    return length / (1 + np.exp(-told[0]))
