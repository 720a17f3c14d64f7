"""60 · The reference: small functions, so that a mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np


def attention_dropout(key, weights, rate):
    # One number for each weight: the shape is that of all weights, and one key is enough for it, since the numbers of
    # one draw are independent. `bernoulli` is True with the probability that it is told, so that it is asked for what
    # stays. `1 - rate` is a Python float: the random numbers behind it are `float32`, also for `bfloat16` weights.
    kept = jax.random.bernoulli(key, 1 - rate, weights.shape)
    # $\tilde w = m w / (1 - p)$, whose expectation is $w$. Dividing by a Python float keeps the dtype. The sum of a row
    # is left as it comes: to divide by it would couple the weights of a row, and move their expectations. With a rate
    # of 0 everything stays and is divided by 1.
    return jnp.where(kept, weights / (1 - rate), jnp.zeros((), weights.dtype))


def attention_entropy(weights):
    weights = _wide(weights)
    # $x \log x$ goes to 0 as $x$ does, but its slope goes to $-\infty$, and `0 * log(0)` is NaN. The logarithm never
    # sees a 0: it gets a 1 in its place. Values and gradients are then 0 times 0, and `where` has nothing to hide.
    logarithms = jnp.log(jnp.where(weights > 0, weights, 1.0))
    # $H = -\sum_j w_j \log w_j$, over the keys: one number for each row. The natural logarithm gives nats.
    return -jnp.sum(weights * logarithms, axis=-1)


def doubly_stochastic_penalty(weights):
    # $\sum_t \alpha_{ti}$: what key $i$ gets in all steps together. Steps are the first axis. (Over the second one each
    # row of a softmax sums to 1 by itself.)
    totals = jnp.sum(_wide(weights), axis=0)
    # Squared for each key, then summed: too much here does not make up for too little there.
    return jnp.sum((1 - totals) ** 2)


def guided_attention_loss(weights, width):
    weights = _wide(weights)
    # The weights are multiplied by what their places cost. The leading dimensions have the same costs, and the mean is
    # over everything.
    return jnp.mean(weights * _cost(*weights.shape[-2:], width, weights.dtype))


def _cost(t_q, t_k, width, dtype):
    """(T_q, T_k): 0 on the diagonal, and nearly 1 far from it."""
    # Each place as a share of its own sequence, so that the diagonal goes from corner to corner, whatever the lengths.
    # Counted from 0, the first query and the first key both stand at 0.
    query = jnp.arange(t_q, dtype=dtype)[:, None] / t_q
    key = jnp.arange(t_k, dtype=dtype)[None, :] / t_k
    return 1 - jnp.exp(-((query - key) ** 2) / (2 * width**2))


def _wide(weights):
    # What is computed from weights is `float32`, whatever they are: a sum of many numbers, a logarithm and `1 - exp` of
    # something small lose in `bfloat16` what they are asked for.
    return weights.astype(jnp.promote_types(weights.dtype, jnp.float32))


def error_scale(weights=None, scores=None, rate=0.0, *, eps, inputs_eps, **_):
    """How large the numbers become: scores, or weights, those that stay, and sums of them."""
    if weights is None:
        return 1 + np.abs(scores).max()
    largest = 1 + weights.sum(axis=-1).max()
    if weights.ndim == 2:
        largest += ((1 - weights.sum(axis=0)) ** 2).sum()
    # What is right for half-precision weights is computed in float32 itself, and is off by some roundings of its own.
    return largest / (1 - rate) * (16 if eps < inputs_eps else 1)
