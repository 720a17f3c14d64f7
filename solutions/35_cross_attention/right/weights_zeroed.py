"""-inf for the masked scores, and zeros for the masked weights: the inner `where` keeps the NaN of an empty row out of the gradient, too."""

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

    def split(self, tokens):
        *batch, length, width = tokens.shape
        return jnp.moveaxis(tokens.reshape(*batch, length, self.num_heads, width // self.num_heads), -2, -3)

    def __call__(self, x, context, context_mask=None):
        if context_mask is None:
            context_mask = jnp.ones(context.shape[:-1], dtype=jnp.bool_)
        visible = context_mask[..., jnp.newaxis, jnp.newaxis, :]
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(context)), self.split(self.v_proj(context))
        scores = jnp.matmul(q, jnp.moveaxis(k, -1, -2)) * q.shape[-1] ** -0.5
        weights = jnp.where(visible, jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-1), 0.0)
        return self.o_proj(jnp.moveaxis(weights @ v, -3, -2).reshape(x.shape))
