"""Backward passes written by hand with custom_vjp, of which one calls another; the loss's gradient by jax.vjp."""

import functools

import jax
import jax.numpy as jnp


def soft(scores):
    return jax.nn.softmax(jnp.float32(scores))


@jax.custom_vjp
def pick(values, i):
    return jax.lax.dynamic_index_in_dim(values, i, keepdims=False)


pick.defvjp(
    lambda values, i: (pick(values, i), (values, i)),
    lambda kept, g: (jnp.zeros_like(kept[0]).at[kept[1]].set(g), None),
)


def hard_attention(key, scores, values):
    i = jax.random.categorical(key, jnp.float32(scores))
    return pick(values, i), i


@jax.custom_vjp
def straight_through_attention(key, scores, values):
    return hard_attention(key, scores, values)[0]


def forward(key, scores, values):
    row, i = hard_attention(key, scores, values)
    return row, (i, scores, values)


def backward(kept, g):
    i, scores, values = kept
    p, heights = soft(scores), jnp.float32(values) @ jnp.float32(g)
    return None, (p * (heights - p @ heights)).astype(scores.dtype), jnp.zeros_like(values).at[i].set(g)


straight_through_attention.defvjp(forward, backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def reinforce_surrogate(key, scores, values, loss, baseline):
    return jnp.float32(loss(hard_attention(key, scores, values)[0]))


def surrogate_forward(key, scores, values, loss, baseline):
    row, i = hard_attention(key, scores, values)
    value, pull = jax.vjp(loss, row)
    return jnp.float32(value), (i, scores, values, pull(jnp.ones_like(value))[0], value - baseline)


def surrogate_backward(loss, kept, g):
    i, scores, values, slope, advantage = kept
    of_scores = advantage * (jax.nn.one_hot(i, len(scores)) - soft(scores))
    of_values = jnp.zeros_like(values).at[i].set(slope)
    return None, (g * of_scores).astype(scores.dtype), (g * of_values).astype(values.dtype), jnp.zeros(())


reinforce_surrogate.defvjp(surrogate_forward, surrogate_backward)
