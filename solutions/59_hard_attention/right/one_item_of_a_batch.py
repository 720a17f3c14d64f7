"""Everything written for a batch, and called with a batch of one; a scan for the soft row; jax.random.choice."""

import jax
import jax.numpy as jnp


def draw(key, scores):
    p = jax.nn.softmax(scores.astype(jnp.float32), axis=-1)
    one = lambda key, p: jax.random.choice(key, p.shape[0], p=p)  # noqa: E731
    return jax.vmap(one)(key[None], p[None])[0].astype(jnp.int32)


def hard_attention(key, scores, values):
    i = draw(key, scores)
    return jnp.take_along_axis(values, i[None, None], axis=0)[0], i


def straight_through_attention(key, scores, values):
    fixed = jax.lax.stop_gradient(values)

    def step(total, part):
        weight, row = part
        return total + weight * row, None

    weights = jax.nn.softmax(scores.astype(jnp.float32))
    start = jnp.zeros(values.shape[1:], jnp.float32)
    soft, _ = jax.lax.scan(step, start, (weights, fixed.astype(jnp.float32)))
    hard, _ = hard_attention(key, scores, values)
    return (soft - jax.lax.stop_gradient(soft)).astype(values.dtype) + hard


def reinforce_surrogate(key, scores, values, loss, baseline):
    row, i = hard_attention(key, scores, values)
    losses = jax.vmap(loss)(row[None])
    log_p = jax.nn.log_softmax(scores.astype(jnp.float32)[None], axis=-1)[:, i]
    advantages = jax.lax.stop_gradient(losses.astype(jnp.float32) - baseline)
    return jnp.mean(losses + advantages * log_p)
