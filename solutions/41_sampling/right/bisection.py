"""No sorting: the threshold of each filter is found by halving, over the logits themselves as candidates; the draw is a race of
exponential waiting times."""

import jax
import jax.numpy as jnp


def _largest_where(holds, x):
    """The largest entry of each row for which `holds` is true of it as a threshold; entries that are smaller make it true as well."""
    candidates = [holds(x[..., i:i + 1]) for i in range(x.shape[-1])]
    return jnp.max(jnp.where(jnp.concatenate(candidates, -1), x, -jnp.inf), -1, keepdims=True)


def filter_logits(logits, temperature, top_k=None, top_p=None):
    x = logits.astype(jnp.float32) / temperature
    if top_k is not None:
        k = min(top_k, x.shape[-1])
        x = jnp.where(x >= _largest_where(lambda t: (x >= t).sum(-1, keepdims=True) >= k, x), x, -jnp.inf)
    if top_p is not None:
        e = jnp.exp(x - x.max(-1, keepdims=True))
        p = e / e.sum(-1, keepdims=True)
        smallest = _largest_where(lambda t: jnp.where(x >= t, p, 0.0).sum(-1, keepdims=True) >= top_p * (1 - 1e-6), x)
        x = jnp.where(x >= smallest, x, -jnp.inf)
    return x.astype(logits.dtype)


def sample_token(key, logits, temperature, top_k=None, top_p=None):
    x = filter_logits(logits.astype(jnp.float32), jnp.where(temperature == 0, 1.0, temperature), top_k, top_p)
    rates = jax.nn.softmax(x, axis=-1)
    arrival = jnp.where(rates > 0, jax.random.exponential(key, logits.shape) / rates, jnp.inf)
    return jnp.where(temperature == 0, jnp.argmax(logits, axis=-1), jnp.argmin(arrival, axis=-1)).astype(jnp.int32)
