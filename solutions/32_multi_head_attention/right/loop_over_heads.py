"""A Python loop over the heads with a slice of the features for each, a softmax by hand, and the join by concatenation."""

import jax.numpy as jnp
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        if d_model % num_heads:
            raise ValueError
        self.d_model, self.num_heads = d_model, num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        size = self.d_model // self.num_heads
        heads = []
        for start in range(0, self.d_model, size):
            mine = slice(start, start + size)
            scores = jnp.matmul(q[..., mine], jnp.matrix_transpose(k[..., mine])) / jnp.sqrt(size)
            powers = jnp.exp(scores - jnp.max(scores, axis=-1, keepdims=True))
            heads.append(powers @ v[..., mine] / powers.sum(axis=-1, keepdims=True))
        return self.o_proj(jnp.concatenate(heads, axis=-1))
