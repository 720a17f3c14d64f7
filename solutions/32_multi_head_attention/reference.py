"""32 · The reference: Vaswani et al. 2017, section 3.2.2. One method for each step, so that a mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model, num_heads, *, rngs):
        if d_model % num_heads:
            raise ValueError(f"d_model = {d_model} is not a multiple of num_heads = {num_heads}")
        self.make(d_model, num_heads, rngs)

    def make(self, d_model, num_heads, rngs):
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        return self.o_proj(self.join(self.attend(q, k, v)))

    def split(self, x):
        """(..., T, d_model) -> (..., N, T, H)"""
        return x.reshape(*x.shape[:-1], self.num_heads, self.head_dim).swapaxes(-3, -2)

    def scores(self, q, k):
        return q @ k.swapaxes(-1, -2) / self.head_dim ** 0.5

    def attend(self, q, k, v):
        return jax.nn.softmax(self.scores(q, k), axis=-1) @ v

    def join(self, heads):
        """(..., N, T, H) -> (..., T, d_model)"""
        together = jnp.swapaxes(heads, -3, -2)
        return together.reshape(*together.shape[:-2], self.num_heads * self.head_dim)


def error_scale(init, params, x):
    """How large the intermediate values are: (1 + max |score|) max |v| over the heads."""
    def heads(name):
        projected = x @ params[f"{name}.kernel"]
        return np.swapaxes(projected.reshape(*x.shape[:-1], init["num_heads"], -1), -3, -2)

    q, k, v = heads("q_proj"), heads("k_proj"), heads("v_proj")
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
