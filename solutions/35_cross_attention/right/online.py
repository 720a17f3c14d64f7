"""One context token after another in a scan, with a running maximum and a running sum: masked tokens leave the state as it is."""

import jax
import jax.numpy as jnp
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model, d_context, num_heads, *, rngs):
        self.num_heads = num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x, context, context_mask=None):
        mask = jnp.ones(context.shape[:-1], bool) if context_mask is None else context_mask
        q, k, v = (a.reshape(*a.shape[:-1], self.num_heads, -1) for a in (self.q_proj(x), self.k_proj(context), self.v_proj(context)))
        q = q / q.shape[-1] ** 0.5

        def step(state, token):
            top, total, output = state
            key, value, visible = (a[..., None, :, :] for a in token)            # one token, for every query: (..., 1, N, H)
            score = jnp.where(visible, (q * key).sum(-1, keepdims=True), jnp.finfo(q.dtype).min)
            new_top = jax.lax.stop_gradient(jnp.maximum(top, score))
            old, new = jnp.exp(top - new_top), jnp.where(visible, jnp.exp(score - new_top), 0)
            return (new_top, old * total + new, old * output + new * value), None

        start = (jnp.full((*q.shape[:-1], 1), jnp.finfo(q.dtype).min), jnp.zeros((*q.shape[:-1], 1)), jnp.zeros(q.shape))
        tokens = (jnp.moveaxis(k, -3, 0), jnp.moveaxis(v, -3, 0), jnp.moveaxis(mask[..., None, None], -3, 0))
        (_, total, output), _ = jax.lax.scan(step, start, tokens)
        return self.o_proj((output / jnp.where(total == 0, 1, total)).reshape(x.shape).astype(x.dtype))
