"""jax.custom_jvp for straight-through, with value_and_grad inside; optax's cross-entropy for minus log p; a surrogate that
is linear in scores and values, with the gradients as its coefficients."""

import jax
import jax.numpy as jnp
import optax


def hard_attention(key, scores, values):
    i = jax.random.categorical(key, scores.astype(jnp.float32), axis=0)
    return values.at[i].get(), jnp.asarray(i, jnp.int32)


@jax.custom_jvp
def straight_through_attention(key, scores, values):
    return hard_attention(key, scores, values)[0]


@straight_through_attention.defjvp
def _(primals, tangents):
    key, scores, values = primals
    _, scores_dot, values_dot = tangents
    row, i = hard_attention(key, scores, values)
    _, soft_dot = jax.jvp(lambda s: jax.nn.softmax(s) @ values.astype(s.dtype), (scores,), (scores_dot,))
    return row, soft_dot.astype(row.dtype) + values_dot[i]


def reinforce_surrogate(key, scores, values, loss, baseline):
    row, i = hard_attention(key, scores, values)
    value, slope = jax.value_and_grad(loss)(jax.lax.stop_gradient(row))
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels(scores.astype(jnp.float32), i)
    through_row = jnp.vdot(slope.astype(jnp.float32), row.astype(jnp.float32))
    return through_row - (value - jax.lax.stop_gradient(baseline)) * cross_entropy
