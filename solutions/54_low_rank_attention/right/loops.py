"""Loops over heads and rows: each row of keys and values is one weighted sum of tokens."""

import jax
import jax.numpy as jnp
from flax import nnx


class LowRankAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, max_len: int, rank: int, *, rngs: nnx.Rngs):
        self.num_heads, self.head_dim = num_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_down = nnx.Linear(max_len, rank, use_bias=False, rngs=rngs)
        self.v_down = nnx.Linear(max_len, rank, use_bias=False, rngs=rngs)
        self.rank = rank

    def __call__(self, x):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        length = x.shape[-2]
        heads = []
        for n in range(self.num_heads):
            own = slice(n * self.head_dim, (n + 1) * self.head_dim)
            scores, values = [], []
            for r in range(self.rank):
                key = (self.k_down.kernel[...][:length, r, None] * k[..., own]).sum(-2, keepdims=True)
                scores.append((q[..., own] * key).sum(-1) / self.head_dim ** 0.5)
                values.append((self.v_down.kernel[...][:length, r, None] * v[..., own]).sum(-2, keepdims=True))
            weights = jax.nn.softmax(jnp.stack(scores), axis=0)
            heads.append(sum(weight[..., None] * value for weight, value in zip(weights, values)))
        return self.o_proj(jnp.concatenate(heads, axis=-1))
