"""The library's own attention, with all batch dimensions in one. It gives the mean where nothing is visible, so these rows are chosen out."""

import jax
import jax.numpy as jnp
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model, d_context, num_heads, *, rngs):
        def project(width):
            return nnx.Linear(width, d_model, use_bias=False, rngs=rngs)

        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = project(d_model), project(d_context), project(d_context), project(d_model)

    def __call__(self, x, context, context_mask=None):
        def heads(projected):
            return projected.reshape(-1, projected.shape[-2], self.num_heads, projected.shape[-1] // self.num_heads)

        q, k, v = heads(self.q_proj(x)), heads(self.k_proj(context)), heads(self.v_proj(context))
        if context_mask is None:
            return self.o_proj(jax.nn.dot_product_attention(q, k, v).reshape(x.shape))
        visible = context_mask.reshape(-1, 1, 1, context_mask.shape[-1])        # (B, N, T_q, T_k), for all heads and queries
        output = jax.nn.dot_product_attention(q, k, v, mask=visible)
        return self.o_proj(jnp.where(visible.any(axis=-1, keepdims=True), output, 0).reshape(x.shape))
