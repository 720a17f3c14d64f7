"""The upper triangle negated, and the most negative float in place of the hidden scores; the softmax by hand."""

import math

import jax.numpy as jnp


def causal_mask(t_q, t_k):
    return jnp.logical_not(jnp.triu(jnp.ones((t_q, t_k), dtype=jnp.bool_), k=1 + t_k - t_q))


def causal_sdpa(q, k, v):
    scores = jnp.einsum("id,jd->ij", q, k) / math.sqrt(k.shape[-1])
    scores = jnp.where(causal_mask(q.shape[0], k.shape[0]), scores, jnp.finfo(scores.dtype).min)
    powers = jnp.exp(scores - scores.max(axis=-1, keepdims=True))
    return (powers @ v) / powers.sum(axis=-1, keepdims=True)
