"""Every entry against every other one, without sorting; and the place where a uniform number falls among summed
probabilities."""

import jax
import jax.numpy as jnp


def filter_logits(logits, temperature, top_k=None, top_p=None):
    x = logits.astype(jnp.float32) / temperature
    larger = x[..., None, :] > x[..., :, None]                      # (..., V, V): the last axis is larger than the one before it
    keep = jnp.ones(x.shape, bool)
    if top_k is not None:
        keep = larger.sum(-1) < top_k
    if top_p is not None:
        p = jax.nn.softmax(x, axis=-1, where=keep)
        keep &= jnp.einsum("...ij,...j->...i", larger.astype(p.dtype), p, precision="highest") < top_p
    return jnp.where(keep, x, -jnp.inf).astype(logits.dtype)


def sample_token(key, logits, temperature, top_k=None, top_p=None):
    cold = temperature == 0
    x = filter_logits(logits.astype(jnp.float32), jnp.where(cold, 1, temperature), top_k, top_p)
    sums = jnp.cumsum(jax.nn.softmax(x, axis=-1), axis=-1)
    u = sums[..., -1:] * jax.random.uniform(key, (*logits.shape[:-1], 1))
    drawn = (sums <= u).sum(-1)
    return jnp.where(cold, logits.argmax(-1), drawn).astype(jnp.int32)
