"""61 · The reference: small functions, so that a mistake can change one of them."""

import jax.numpy as jnp
import numpy as np


def attention_rollout(weights):
    layers = _with_residual(_wide(weights))
    # $x^{(l)} = A^{(l)} x^{(l-1)}$: a layer's matrix acts on what the layer before gave, and a matrix that acts later
    # stands further to the left. So $A^{(L)} \cdots A^{(2)} A^{(1)}$, begun with the first layer, each next one from
    # the left. The product is taken once, after the heads were averaged.
    rollout = layers[0]
    for layer in layers[1:]:
        rollout = layer @ rollout
    return rollout


def _with_residual(weights):
    """(L, T, T): what each layer makes of the positions that come in."""
    # $\frac12 \bar A + \frac12 I$: a block adds what its heads gather to what was there, and the rollout takes both for
    # equally large. Where the rows of $\bar A$ sum to 1 these rows do as well. Elsewhere they do not, and are left so.
    return 0.5 * weights.mean(axis=1) + 0.5 * jnp.eye(weights.shape[-1], dtype=weights.dtype)


def mean_distance(weights):
    weights = _wide(weights)
    # Over the keys a sum, since the weights are what averages there; over the queries a mean. The heads stay.
    return (weights * _apart(weights.shape[-1], weights.dtype)).sum(axis=-1).mean(axis=-1)


def _apart(length, dtype):
    """(T, T): $|i - j|$, how far key $j$ is from query $i$, before it or behind it."""
    place = jnp.arange(length, dtype=dtype)
    return jnp.abs(place[:, None] - place[None, :])


def induction_score(weights, tokens):
    wanted = _behind_earlier_ones(tokens)
    # The total weight of each query on all its wanted keys: 0 where it has none.
    found = jnp.where(wanted, _wide(weights), 0).sum(axis=-1)
    # The mean is over the queries that have a wanted key, however many it has. Without any the sum is 0, and 0 / 1 has
    # the right value and the right gradient. To choose after a division by 0 may leave the gradient NaN.
    queries = wanted.any(axis=-1).sum()
    return found.sum(axis=-1) / jnp.maximum(queries, 1)


def _behind_earlier_ones(tokens):
    """(T, T): whether key $j$ stands right behind an earlier occurrence of the token of query $i$."""
    # First where the occurrences themselves are: the keys $m < i$ with the same token. Tokens are compared as they are;
    # any int32 is a token, and none is free to stand for "nothing".
    earlier = jnp.tril(tokens[:, None] == tokens[None, :], -1)
    # Then one to the right: $j = m + 1$, so that $1 \le j \le i$. Nothing stands behind a token that is not there, so
    # column 0 is empty; `roll` would fill it with the last column.
    return jnp.pad(earlier[:, :-1], ((0, 0), (1, 0)))


def _wide(weights):
    # In `float32` whatever comes in: in `bfloat16` a distance above 256 is no longer a whole number that it can hold,
    # and a mean over heads has two digits.
    return weights.astype(jnp.promote_types(weights.dtype, jnp.float32))


def error_scale(weights, tokens=None, *, eps, inputs_eps):
    """How large the numbers become: entries of products, and sums of distances."""
    rows = weights.sum(axis=-1)
    if weights.ndim == 4:
        scale = np.prod(0.5 + 0.5 * rows.mean(axis=1).max(axis=-1))
    else:
        scale = 1 + rows.max() * (weights.shape[-1] if tokens is None else 1)
    # What is right for half-precision weights is computed in float32 itself, and is off by some roundings of its own.
    return scale * (16 if eps < inputs_eps else 1)
