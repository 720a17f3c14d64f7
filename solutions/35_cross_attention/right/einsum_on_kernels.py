"""Everything by einsum: the kernels are read as (width, N, H) and (N, H, d_model), and the softmax is told where to look."""

import jax
import jax.numpy as jnp
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model, d_context, num_heads, *, rngs):
        for name, width in (("q_proj", d_model), ("k_proj", d_context), ("v_proj", d_context), ("o_proj", d_model)):
            setattr(self, name, nnx.Linear(width, d_model, use_bias=False, rngs=rngs))
        self.shape = (num_heads, d_model // num_heads)

    def __call__(self, x, context, context_mask=None):
        if context_mask is None:
            context_mask = jnp.ones(context.shape[:-1], dtype=bool)
        w_q, w_k, w_v = (p.kernel[...].reshape(-1, *self.shape) for p in (self.q_proj, self.k_proj, self.v_proj))
        q = jnp.einsum("...td,dnh->...tnh", x, w_q) * self.shape[1] ** -0.5
        k, v = (jnp.einsum("...sc,cnh->...snh", context, kernel) for kernel in (w_k, w_v))
        visible = jnp.expand_dims(context_mask, (-2, -3))
        weights = jax.nn.softmax(jnp.einsum("...tnh,...snh->...nts", q, k), axis=-1, where=visible)
        return jnp.einsum("...nts,...snh,nhd->...td", weights, v, self.o_proj.kernel[...].reshape(*self.shape, -1))
