"""Top-p in logarithms of sums; the threshold is the logit at a counted place; at temperature 0 a one-hot row is drawn from."""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp


def filter_logits(logits, temperature, top_k=None, top_p=None):
    wide = logits.astype(jnp.float32)
    scaled = wide / temperature
    if top_k is not None:
        top_k = min(top_k, scaled.shape[-1])
        largest, _ = jax.lax.top_k(scaled, top_k)
        scaled = jnp.where(scaled >= largest.min(-1, keepdims=True), scaled, -jnp.inf)
    if top_p is not None:
        largest, _ = jax.lax.top_k(scaled, scaled.shape[-1])
        mass = jax.lax.cumlogsumexp(largest, axis=largest.ndim - 1) - logsumexp(largest, axis=-1, keepdims=True)
        count = 1 + (mass[..., :-1] < jnp.log(top_p)).sum(-1, keepdims=True)
        scaled = jnp.where(scaled < jnp.take_along_axis(largest, count - 1, axis=-1), -jnp.inf, scaled)
    return scaled.astype(logits.dtype)


def sample_token(key, logits, temperature, top_k=None, top_p=None):
    certain = jnp.where(jax.nn.one_hot(logits.argmax(-1), logits.shape[-1], dtype=bool), 0.0, -jnp.inf)
    warm = filter_logits(logits.astype(jnp.float32), jnp.maximum(temperature, 1e-3), top_k, top_p)
    return jax.random.categorical(key, jnp.where(temperature == 0.0, certain, warm)).astype(jnp.int32)
