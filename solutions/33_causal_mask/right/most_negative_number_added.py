"""The most negative float added to the hidden scores: it is so far down that no score below 1e38, the largest that the contract allows, lifts it
to where the visible ones are."""

import jax
import jax.numpy as jnp


def causal_mask(t_q, t_k):
    return jnp.tri(t_q, t_k, t_k - t_q) == 1


def causal_sdpa(q, k, v):
    scores = q @ k.T / q.shape[-1] ** 0.5
    bias = jnp.where(causal_mask(q.shape[0], k.shape[0]), 0, jnp.finfo(scores.dtype).min)
    return jax.nn.softmax(scores + bias, axis=-1) @ v
