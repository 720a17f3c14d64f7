"""The context is never projected: each head's key kernel is multiplied into its queries, and its value kernel into the average of context tokens."""

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
        def pieces(array):
            return jnp.split(array, self.num_heads, axis=-1)

        visible = None if context_mask is None else context_mask[..., None, :]
        parts = zip(pieces(self.q_proj(x)), pieces(self.k_proj.kernel[...]), pieces(self.v_proj.kernel[...]))
        heads = []
        for q, of_keys, of_values in parts:
            scores = (q @ of_keys.T) @ context.swapaxes(-1, -2) * jax.lax.rsqrt(jnp.asarray(q.shape[-1], q.dtype))
            heads.append(jax.nn.softmax(scores, where=visible) @ context @ of_values)
        return self.o_proj(jnp.concatenate(heads, axis=-1))
