"""Keys and values are padded with zeros to max_len, and the layers along time are called as they are."""

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
        self.max_len = max_len

    def __call__(self, x):
        missing = [(0, 0)] * (x.ndim - 2) + [(0, self.max_len - x.shape[-2]), (0, 0)]

        def heads(rows):
            return rows.reshape(rows.shape[:-1] + (self.num_heads, self.head_dim)).swapaxes(-3, -2)

        def fewer(rows, down):
            return heads(down(jnp.pad(rows, missing).mT).mT)

        q, k, v = heads(self.q_proj(x)), fewer(self.k_proj(x), self.k_down), fewer(self.v_proj(x), self.v_down)
        scores = q @ k.mT / self.head_dim ** 0.5
        powers = jnp.exp(scores - jax.lax.stop_gradient(scores.max(-1, keepdims=True)))
        weights = powers / powers.sum(-1, keepdims=True)
        return self.o_proj((weights @ v).swapaxes(-3, -2).reshape(x.shape))
