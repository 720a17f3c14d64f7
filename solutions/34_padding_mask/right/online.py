"""One key after another in a scan, with a running maximum and a running sum: a hidden key leaves the state as it is."""

import jax
import jax.numpy as jnp


def padding_mask(lengths, max_len):
    return jnp.stack([lengths > place for place in range(max_len)], axis=1)


def bidirectional_attention(q, k, v, num_heads, mask=None):
    return online(q, k, v, num_heads, mask, lambda key, queries: queries >= 0)


def causal_attention(q, k, v, num_heads, mask=None):
    return online(q, k, v, num_heads, mask, lambda key, queries: queries >= key)


def online(q, k, v, num_heads, mask, sees):
    batch, length, _ = q.shape
    real = jnp.full((batch, length), True) if mask is None else mask
    q, k, v = (x.reshape(batch, length, num_heads, -1) for x in (q, k, v))

    def step(state, token):
        top, total, output = state
        place, key, value, is_real = token
        visible = is_real[:, None, None] & sees(place, jnp.arange(length))[None, :, None]
        score = jnp.where(visible, (q * key[:, None]).sum(-1) / q.shape[-1] ** 0.5, -jnp.inf)
        new_top = jnp.maximum(top, score)
        finite = jnp.where(new_top == -jnp.inf, 0.0, new_top)               # as long as nothing has been seen
        old, new = jnp.exp(top - finite), jnp.exp(score - finite)
        return (new_top, old * total + new, old[..., None] * output + new[..., None] * value[:, None]), None

    start = jnp.full(q.shape[:-1], -jnp.inf), jnp.zeros(q.shape[:-1]), jnp.zeros(q.shape)
    tokens = jnp.arange(length), k.swapaxes(0, 1), v.swapaxes(0, 1), real.T
    (_, total, output), _ = jax.lax.scan(step, start, tokens)
    return (output / jnp.where(total > 0, total, 1)[..., None]).reshape(batch, length, -1)
