"""Reshape and swap axes: the heads become one more batch dimension of two matrix products."""

import math

import jax
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        if d_model % num_heads != 0:
            raise ValueError("d_model must be divisible by num_heads")
        self.num_heads = num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        *batch, length, width = x.shape
        head = width // self.num_heads

        def heads(projection):
            return projection(x).reshape(*batch, length, self.num_heads, head).swapaxes(-2, -3)

        q, k, v = heads(self.q_proj), heads(self.k_proj), heads(self.v_proj)
        weights = jax.nn.softmax(q @ k.mT / math.sqrt(head), axis=-1)
        return self.o_proj((weights @ v).swapaxes(-2, -3).reshape(x.shape))
