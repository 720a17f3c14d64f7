"""38 · The reference: Press et al. 2022, section 3, with a plus for the bare function and a learned slope for the
module."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def distance_bias(t_q, t_k):
    # A column of query positions against a row of key positions, both from 0: the difference spreads to `(t_q, t_k)`.
    # The differences are int32, and exact; the contract asks for float32, in which whole numbers are exact up to
    # $2^{24}$. In half precision they would not be beyond a few hundred.
    return jnp.abs(jnp.arange(t_q)[:, None] - jnp.arange(t_k)).astype(jnp.float32)


def biased_attention(q, k, v):
    # The widths are compared here, since JAX would raise a `TypeError`, and the contract promises a `ValueError`. An
    # `assert` would raise yet another, and none under `python -O`.
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"queries of width {q.shape[-1]} and keys of width {k.shape[-1]}")
    # Everything before the last two axes is the batch: `()` or `(B,)`. It has to be equal in all three. Left to itself,
    # a batch of 1 spreads over a batch of 3 without a word.
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ValueError(f"unequal batch sizes: q {q.shape}, k {k.shape}, v {v.shape}")
    # The answer key takes this for the truth, so half precision is only rounded to at the end.
    wide = jnp.promote_types(q.dtype, jnp.float32)
    # $s_{ij} = q_i \cdot k_j + |i - j|$, of shape `(..., T_q, T_k)`: a plus, and no scale. The bias has no batch axis
    # and spreads over it. It belongs to the score, so it is added before the softmax takes off the maximum. Added
    # later, as a factor $e^{|i-j|}$, it would overflow float32 from a distance of 89 on.
    scores = q.astype(wide) @ k.astype(wide).swapaxes(-1, -2) + distance_bias(q.shape[-2], k.shape[-2])
    # The softmax runs over keys, the last axis: `axis=1` would be the queries once there is a batch. The cast back
    # keeps the dtype of the input, which a float32 bias would otherwise lift.
    return (jax.nn.softmax(scores, axis=-1) @ v.astype(wide)).astype(q.dtype)


class DecayingAttention(nnx.Module):
    """One method for each step, so that a mistake can change one of them."""

    def __init__(self, num_heads, *, rngs):
        # One number for each head, and not `(N, 1, 1)`: the axes for broadcasting are added where they are used. The
        # logarithm is the parameter, so that no step of an optimiser can make $\alpha$ negative; zeros mean $\alpha =
        # 1$. `rngs` is not needed, as nothing is random here.
        self.log_alpha = nnx.Param(jnp.zeros((num_heads,)))

    def __call__(self, q, k, v, causal=False):
        # Tokens and heads change places, `(..., T, N, H)` to `(..., N, T, H)`. Without this the product below would let
        # the heads of one token attend to each other, and the shapes would not tell.
        q, k, v = (heads.swapaxes(-3, -2) for heads in (q, k, v))
        # With the bias included, `(..., N, T, T)`. `causal` is a Python value, so this `if` is decided while tracing.
        # The mask comes after the bias.
        scores = self.scores(q, k)
        if causal:
            scores = self.masked(scores)
        # The average for each head, and the heads go back behind the tokens.
        return (self.weights(scores) @ v).swapaxes(-3, -2)

    def masked(self, scores):
        # The mask is `(T, T)`, the same for all heads. Each row keeps its own token, so that no row is $-\infty$
        # throughout and no NaN comes up, not even in the gradient.
        return jnp.where(jnp.tri(scores.shape[-1], dtype=bool), scores, -jnp.inf)

    def weights(self, scores):
        # The softmax runs over the keys, the last axis.
        return jax.nn.softmax(scores, axis=-1)

    def scores(self, q, k):
        """(..., N, T, H) twice -> (..., N, T, T)"""
        # $q_{ni} \cdot k_{nj} / \sqrt H - \alpha_n |i - j|$. Only the product is scaled. The scale keeps products of
        # random vectors near 1 in size; the decay has a learned rate and needs none. The bias is `(N, T, T)` and
        # spreads over the batch.
        return q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5 + self.bias(q.shape[-2])

    def bias(self, length):
        # $-\alpha_n |i - j|$: `(N, 1, 1)` times `(T, T)`. Without the two axes, `(N,)` against `(T, T)` is an error,
        # or, where $T = N$, a decay for each key instead of each head. The minus is the useful sign: far keys lose.
        return -self.alpha()[:, None, None] * self.distance(length)

    def alpha(self):
        # $\alpha_n = e^{\lambda_n}$. The gradient gets its factor $\alpha_n$ from here, and nothing has to be done
        # about it: a head that has nearly stopped forgetting hardly learns.
        return jnp.exp(self.log_alpha[...])

    def distance(self, length):
        # The same distances as in the bare function. Queries and keys are the same tokens here, so one length is
        # enough.
        return distance_bias(length, length)


def error_scale(q=None, k=None, v=None, init=None, params=None, causal=False, t_q=0, t_k=0):
    """How large the intermediate values are: (1 + max |score|) max |v|, bias included. Distances are exact.

    Twice that for the bare function: in half precision the product and its sum with the bias may both be rounded.
    """
    # What decides the tolerance: scores of this size round by so much, and the softmax passes it on to the values.
    # `distance_bias` has no `q`, and its numbers are exact.
    if q is None:
        return 1.0
    if init:
        q, k = np.swapaxes(q, -3, -2) / np.sqrt(q.shape[-1]), np.swapaxes(k, -3, -2)
    distance = np.abs(np.arange(q.shape[-2])[:, None] - np.arange(k.shape[-2]))
    bias = -np.exp(params["log_alpha"])[:, None, None] * distance if init else distance
    return (1 if init else 2) * (1 + np.abs(q @ np.swapaxes(k, -1, -2) + bias).max()) * np.abs(v).max()
