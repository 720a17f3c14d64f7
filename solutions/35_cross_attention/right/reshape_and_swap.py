"""Reshape and swap axes; -inf for the masked scores, and a softmax by hand whose maximum and sum are mended where nothing is visible."""

import math

import jax
import jax.numpy as jnp
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model: int, d_context: int, num_heads: int, *, rngs: nnx.Rngs):
        self.num_heads = num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x, context, context_mask=None):
        def heads(projected):
            return projected.reshape(*projected.shape[:-1], self.num_heads, -1).swapaxes(-2, -3)

        q, k, v = heads(self.q_proj(x)), heads(self.k_proj(context)), heads(self.v_proj(context))
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if context_mask is not None:
            scores = jnp.where(context_mask[..., None, None, :], scores, -jnp.inf)
        top = jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True))
        powers = jnp.exp(scores - jnp.where(jnp.isfinite(top), top, 0))
        total = powers.sum(axis=-1, keepdims=True)
        output = powers @ v / jnp.where(total == 0, 1, total)
        return self.o_proj(output.swapaxes(-2, -3).reshape(x.shape))
