"""-inf added to the hidden scores: whatever finite number stands there, the sum is -inf."""

import jax.numpy as jnp
from jax.scipy.special import logsumexp


def causal_mask(t_q, t_k):
    return jnp.tril(jnp.full((t_q, t_k), True), t_k - t_q)


def causal_sdpa(q, k, v):
    scores = q @ jnp.swapaxes(k, 0, 1) / jnp.sqrt(float(q.shape[-1])) + jnp.where(causal_mask(len(q), len(k)), 0.0, -jnp.inf)
    return jnp.exp(scores - logsumexp(scores, axis=-1, keepdims=True)) @ v
