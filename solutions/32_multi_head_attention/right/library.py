"""The library's own attention, with all batch dimensions in one."""

import jax
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model, num_heads, *, rngs):
        if d_model % num_heads:
            raise ValueError("the heads do not divide the width")

        def project():
            return nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = project(), project(), project(), project()

    def __call__(self, x):
        heads = (-1, x.shape[-2], self.num_heads, x.shape[-1] // self.num_heads)
        q, k, v = self.q_proj(x).reshape(heads), self.k_proj(x).reshape(heads), self.v_proj(x).reshape(heads)
        return self.o_proj(jax.nn.dot_product_attention(q, k, v).reshape(x.shape))
