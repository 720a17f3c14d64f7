"""59 · The reference: one draw for all three, and small functions, so that a mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np


def hard_attention(key, scores, values):
    i = _draw(key, scores)
    # Indexing has the gradient that is asked for: what comes for the row is added to row $i$, and the other rows get
    # zeros. The index is an integer, so that nothing comes back to the scores: the draw is not differentiable.
    return values[i], i


def straight_through_attention(key, scores, values):
    hard = values[_draw(key, scores)]
    # $\sum_j p_j v_j$ with $p = \mathrm{softmax}(s)$, for its gradient with respect to $s$ alone. The values are
    # constants here, or they would get the gradient of the soft row beside that of the hard one.
    soft = jax.nn.softmax(_wide(scores)) @ jax.lax.stop_gradient(_wide(values))
    # Forward the parentheses are exactly 0; backward they are the soft row. Without them the soft row is added first
    # and taken away afterwards, which costs digits where it is larger than the row that was drawn.
    return hard + (soft - jax.lax.stop_gradient(soft)).astype(values.dtype)


def reinforce_surrogate(key, scores, values, loss, baseline):
    i = _draw(key, scores)
    # The loss of the one row that was drawn. What it would have been for others is not known.
    drawn = _wide(loss(values[i]))
    # $\log p_i$, straight from the scores: the logarithm of a softmax would be -inf where a score is far below.
    log_probability = jax.nn.log_softmax(_wide(scores))[i]
    # $\nabla_s E[L] = E[(L - b) \nabla_s \log p_i]$. The factor is a number here and no function: through it the values
    # would get a gradient a second time, and the baseline one as well. The baseline changes no expectation, since
    # $E[\nabla_s \log p_i] = \sum_i \nabla_s p_i = \nabla_s 1 = 0$.
    advantage = jax.lax.stop_gradient(drawn - baseline)
    # The first term is for the values, $\nabla_v L(v_i)$ in row $i$; the second for the scores.
    return drawn + advantage * log_probability


def _draw(key, scores):
    # `categorical` adds Gumbel noise to the logits and takes the largest sum: an index with the probabilities of their
    # softmax. It wants the scores themselves, not probabilities. The noise has the dtype of the logits, and in bfloat16
    # many of its numbers are equal, of which the first wins: hence `float32`.
    return jax.random.categorical(key, _wide(scores)).astype(jnp.int32)


def _wide(array):
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def error_scale(scores, values, loss=None, baseline=0.0, **_):
    """How large rows become, and with a loss its values and slopes."""
    largest = 1 + np.abs(values).max()
    return 8 * largest if loss is None else 8 * (np.abs(baseline) + values.shape[-1] * largest**2)
