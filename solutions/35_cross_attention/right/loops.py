"""Two Python loops, over the queries and the tokens of the context, with all heads and leading dimensions at once in each step."""

import jax
import jax.numpy as jnp
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model: int, d_context: int, num_heads: int, *, rngs: nnx.Rngs):
        self.num_heads, self.width = num_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x, context, context_mask=None):
        q, k, v = (y.reshape(*y.shape[:-1], self.num_heads, self.width) for y in (self.q_proj(x), self.k_proj(context), self.v_proj(context)))
        rows = []
        for i in range(x.shape[-2]):
            scores, seen = [], []
            for j in range(context.shape[-2]):
                scores.append((q[..., i, :, :] * k[..., j, :, :]).sum(-1) / self.width ** 0.5)
                seen.append(jnp.ones_like(scores[-1], bool) if context_mask is None else jnp.broadcast_to(context_mask[..., j, None], scores[-1].shape))
            weights = jax.nn.softmax(jnp.stack(scores, -1), where=jnp.stack(seen, -1))
            row = sum(weights[..., j, None] * v[..., j, :, :] for j in range(context.shape[-2]))
            rows.append(row.reshape(*row.shape[:-2], -1))
        return self.o_proj(jnp.stack(rows, -2))
