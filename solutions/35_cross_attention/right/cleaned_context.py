"""The context is cleaned of masked tokens first; compiled by its own decorator, with einops for the heads and -inf added to the scores of contexts
that are not empty."""

import einops
import jax
import jax.numpy as jnp
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model: int, d_context: int, num_heads: int, *, rngs: nnx.Rngs):
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.num_heads, self.scale = num_heads, (d_model // num_heads) ** -0.5

    @nnx.jit
    def __call__(self, x, context, context_mask=None):
        if context_mask is None:
            bias = 0.0
        else:
            context = jnp.where(context_mask[..., None], context, 0)
            hidden = context_mask.any(-1, keepdims=True) & ~context_mask     # an empty context is zeros now, and so is any average of it
            bias = jnp.where(hidden, -jnp.inf, 0.0)[..., None, None, :]
        tokens = (self.q_proj(x), self.k_proj(context), self.v_proj(context))
        q, k, v = (einops.rearrange(t, "... t (n h) -> ... n t h", n=self.num_heads) for t in tokens)
        weights = jax.nn.softmax(einops.einsum(q, k, "... n t h, ... n s h -> ... n t s") * self.scale + bias, axis=-1)
        return self.o_proj(einops.rearrange(weights @ v, "... n t h -> ... t (n h)"))
