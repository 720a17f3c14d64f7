"""One head of one sequence as a function of its own, mapped over heads and over however many batch dimensions there are."""

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

    def __call__(self, x):
        length = x.shape[-2]
        e, f = self.k_down.kernel[...][:length], self.v_down.kernel[...][:length]

        def head(q, k, v):
            weights = jax.nn.softmax(q @ (e.T @ k).T / self.head_dim ** 0.5)
            return weights @ (f.T @ v)

        def sequence(*rows):
            split = (r.reshape(length, self.num_heads, self.head_dim) for r in rows)
            return jax.vmap(head, in_axes=1, out_axes=1)(*split).reshape(length, -1)

        attend = sequence
        for _ in x.shape[:-2]:
            attend = jax.vmap(attend)
        return self.o_proj(attend(self.q_proj(x), self.k_proj(x), self.v_proj(x)))
