"""The Gumbel trick by hand, one-hot rows and einsum; weights that are one-hot forward and soft backward; a ratio of
probabilities in the place of a logarithm."""

import jax
import jax.numpy as jnp


def one_hot_draw(key, scores):
    noise = jax.random.gumbel(key, scores.shape, jnp.float32)
    return jax.nn.one_hot(jnp.argmax(scores.astype(jnp.float32) + noise), scores.shape[0])


def hard_attention(key, scores, values):
    z = one_hot_draw(key, scores)
    row = jnp.einsum("t,td->d", z.astype(values.dtype), values)
    return row, jnp.argmax(z).astype("int32")


def straight_through_attention(key, scores, values):
    z = one_hot_draw(key, scores)
    p = jax.nn.softmax(scores.astype(jnp.float32))
    weights = z + p - jax.lax.stop_gradient(p)
    return jnp.einsum("t,td->d", weights, values.astype(jnp.float32)).astype(values.dtype)


def reinforce_surrogate(key, scores, values, loss, baseline):
    z = one_hot_draw(key, scores)
    row = (z.astype(values.dtype)[:, None] * values).sum(0)
    p = (z * jax.nn.softmax(scores.astype(jnp.float32))).sum()
    ratio = p / jax.lax.stop_gradient(p)
    value = loss(row).astype(jnp.float32)
    return value + ratio * jax.lax.stop_gradient(value - baseline)
