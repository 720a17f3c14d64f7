"""Two Python loops, over the queries and the keys, with all heads and leading dimensions at once in each step."""

import jax
import jax.numpy as jnp
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        if d_model % num_heads != 0:
            raise ValueError("the heads do not divide the width")
        self.num_heads, self.width = num_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        q, k, v = (y.reshape(*y.shape[:-1], self.num_heads, self.width) for y in (self.q_proj(x), self.k_proj(x), self.v_proj(x)))
        rows = []
        for i in range(x.shape[-2]):
            scores = [(q[..., i, :, :] * k[..., j, :, :]).sum(-1) / self.width ** 0.5 for j in range(x.shape[-2])]
            weights = jax.nn.softmax(jnp.stack(scores, -1))
            row = sum(weights[..., j, None] * v[..., j, :, :] for j in range(x.shape[-2]))
            rows.append(row.reshape(*row.shape[:-2], -1))
        return self.o_proj(jnp.stack(rows, -2))
