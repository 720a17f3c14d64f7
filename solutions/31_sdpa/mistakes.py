"""31 · Wrong answers that people really give, each with its sentence."""

import jax
import jax.numpy as jnp

from grader.course import mistake


@mistake(about="the scale")
def forgot_the_scale(ref, q, k, v):
    """The scores are not divided by sqrt(d_k). The softmax of "q kᵀ" alone looks finished and its rows sum to 1, but a
    score adds up d_k products and grows with the width: divide by sqrt(d_k) before the softmax."""
    return ref(q * q.shape[-1] ** 0.5, k, v)


@mistake(about="the scale")
def divided_by_the_width(ref, q, k, v):
    """The scores are divided by d_k instead of sqrt(d_k). A sum of d_k independent terms has variance d_k, so its size
    is sqrt(d_k): divide by the square root."""
    return ref(q / q.shape[-1] ** 0.5, k, v)


@mistake(about="the scale")
def root_without_brackets(ref, q, k, v):
    """The scores are divided by 2 d_k. `d_k ** 1/2` is not the root: Python raises to the power first and divides by 2
    afterwards, and so `scores / d_k ** 1/2` divides by d_k and by 2. Write `d_k ** 0.5`."""
    return ref(q / (2 * q.shape[-1] ** 0.5), k, v)


@mistake(about="the scale")
def half_of_the_width(ref, q, k, v):
    """The scores are divided by d_k / 2. In brackets `(d_k ** 1/2)` is d_k to the power 1, and half of that: the root
    is `d_k ** 0.5` or `math.sqrt(d_k)`."""
    return ref(q * 2 / q.shape[-1] ** 0.5, k, v)


@mistake(about="the scale")
def multiplied_by_the_scale(ref, q, k, v):
    """The scores are multiplied by sqrt(d_k) instead of divided. `* d ** 0.5` and `* d ** -0.5` differ by one sign."""
    return ref(q * q.shape[-1], k, v)


@mistake(about="the scale")
def scale_of_the_values(ref, q, k, v):
    """The scores are divided by sqrt(d_v), the width of the values. The products run over the width of queries and
    keys: take d_k from `q.shape[-1]`, not from `v.shape[-1]`."""
    return ref(q * (q.shape[-1] / v.shape[-1]) ** 0.5, k, v)


@mistake(about="the scale")
def scale_of_the_length(ref, q, k, v):
    """The scores are divided by the square root of the number of keys. `k.shape[0]` counts the keys; the scale is the
    width `k.shape[-1]`."""
    return ref(q * (q.shape[-1] / k.shape[0]) ** 0.5, k, v)


@mistake
def softmax_over_queries(ref, q, k, v):
    """The softmax runs over the queries. `axis=0` is the first axis of the (T_q, T_k) scores, and people take it for
    "per column of keys"; each query's weights must sum to 1, so the softmax runs over the keys, `axis=-1`."""
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5, axis=0) @ v


@mistake
def softmax_over_everything(ref, q, k, v):
    """The softmax runs over all scores at once. `exp(s) / exp(s).sum()` without an axis makes the whole matrix sum to
    1; each row has to: sum over the keys with `axis=-1, keepdims=True`."""
    return jax.nn.softmax(q @ k.T / q.shape[-1] ** 0.5, axis=None) @ v


@mistake
def no_softmax(ref, q, k, v):
    """The scores go into the product with v as they are. They only become weights, positive and with sum 1, by the
    softmax."""
    return q @ k.T / q.shape[-1] ** 0.5 @ v


@mistake
def overflowing_softmax(ref, q, k, v):
    """exp overflows: logits in the hundreds give inf / inf = NaN. The textbook formula is exact on paper only; take the
    row's maximum off first, or call `jax.nn.softmax`, which does."""
    weights = jnp.exp(q @ k.T / q.shape[-1] ** 0.5)
    return weights / weights.sum(-1, keepdims=True) @ v


@mistake(about="the scale")
def scale_after_softmax(ref, q, k, v):
    """The scale is applied to the weights, after the softmax. Precedence does this: in `softmax(q @ k.T) / d ** 0.5`
    the division comes last, and the rows no longer sum to 1. Divide the scores."""
    return ref(q * q.shape[-1] ** 0.5, k, v) / q.shape[-1] ** 0.5


@mistake
def never_normalised(ref, q, k, v):
    """The weights are not normalised: they are exp(score - max) without the division by the row's sum. Subtracting the
    maximum only keeps exp from overflowing; the sum still has to be divided out."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    return jnp.exp(scores - scores.max(-1, keepdims=True)) @ v


@mistake
def gradient_stopped_at_the_weights(ref, q, k, v):
    """The values are right but no gradient flows to the queries and keys. `stop_gradient` belongs around the maximum
    that is subtracted, where it changes nothing, and not around the weights."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    return jax.lax.stop_gradient(jax.nn.softmax(scores, axis=-1)) @ v


@mistake
def reshaped_for_a_transpose(ref, q, k, v):
    """The keys are reshaped where they have to be transposed. `k.reshape(d_k, T_k)` has the shape of `k.T` and keeps
    the order of the numbers, so a column of it is no key: write `k.T`."""
    return ref(q, k.reshape(k.shape[::-1]).T, v)


@mistake
def one_maximum_for_all_rows(ref, q, k, v):
    """The largest of all scores is taken off, instead of the largest of each row. A row whose own scores lie far below
    it has only zeros left to divide by: `scores.max(axis=-1, keepdims=True)`."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    powers = jnp.exp(scores - scores.max())
    return powers / powers.sum(-1, keepdims=True) @ v


@mistake
def maximum_of_each_key(ref, q, k, v):
    """The maximum is taken along the queries, `axis=0`, so that each score of a row has another number taken off. A
    softmax stays the same only where all scores of a row lose the same: `scores.max(axis=-1, keepdims=True)`."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    powers = jnp.exp(scores - scores.max(0))
    return powers / powers.sum(-1, keepdims=True) @ v


@mistake
def sums_without_their_axis(ref, q, k, v):
    """The sum of each row has lost its axis: `powers.sum(-1)` has the shape (T_q,), which lies along the keys when it
    divides. Keep the axis: `powers.sum(-1, keepdims=True)`."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    powers = jnp.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1) @ v
