"""Compiled by its own decorator; each head multiplies its rows of the output kernel, and the heads are summed, never joined."""

import jax
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        if d_model % num_heads:
            raise ValueError(f"{d_model} % {num_heads} != 0")
        self.num_heads = num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    @nnx.jit
    def __call__(self, x):
        def pieces(array, axis):
            return jax.numpy.split(array, self.num_heads, axis=axis)

        parts = zip(pieces(self.q_proj(x), -1), pieces(self.k_proj(x), -1), pieces(self.v_proj(x), -1), pieces(self.o_proj.kernel[...], 0))
        return sum(jax.nn.softmax(q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5) @ v @ out for q, k, v, out in parts)
