"""The most negative float in place of the masked scores, and zeros for the masked values: the mean over a context of padding is then zero by itself."""

import jax
import jax.numpy as jnp
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model: int, d_context: int, num_heads: int, *, rngs: nnx.Rngs):
        self.num_heads, self.head_dim = num_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x, context, context_mask=None):
        q, k, v = self.q_proj(x), self.k_proj(context), self.v_proj(context)
        if context_mask is not None:
            v = jnp.where(context_mask[..., None], v, 0)
        heads = []
        for part in range(self.num_heads):
            mine = slice(part * self.head_dim, (part + 1) * self.head_dim)
            scores = jnp.matmul(q[..., mine], jnp.matrix_transpose(k[..., mine])) / jnp.sqrt(float(self.head_dim))
            if context_mask is not None:
                scores = jnp.where(context_mask[..., None, :], scores, jnp.finfo(scores.dtype).min)
            heads.append(jax.nn.softmax(scores) @ v[..., mine])
        return self.o_proj(jnp.concatenate(heads, axis=-1))
