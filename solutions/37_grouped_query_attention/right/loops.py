"""Two Python loops, over the queries and the keys, with all heads and leading dimensions at once in each step."""

import jax
import jax.numpy as jnp
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads != 0:
            raise ValueError("the groups are not equal")
        self.num_heads, self.group, self.width = num_heads, num_heads // num_kv_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, num_kv_heads * self.width, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, num_kv_heads * self.width, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        lead, length = x.shape[:-2], x.shape[-2]
        q = self.q_proj(x).reshape(*lead, length, -1, self.group, self.width)
        k, v = (y.reshape(*lead, length, -1, 1, self.width) for y in (self.k_proj(x), self.v_proj(x)))
        rows = []
        for i in range(length):
            scores = [(q[..., i, :, :, :] * k[..., j, :, :, :]).sum(-1) / self.width ** 0.5 for j in range(length)]
            weights = jax.nn.softmax(jnp.stack(scores, -1))
            row = sum(weights[..., j, None] * v[..., j, :, :, :] for j in range(length))
            rows.append(row.reshape(*lead, -1))
        return self.o_proj(jnp.stack(rows, -2))
