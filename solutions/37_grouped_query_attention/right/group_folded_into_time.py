"""The queries of a group stand one after the other as one sequence of G * T queries: then it is problem 32 with K heads."""

import jax
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model, num_heads, num_kv_heads, *, rngs):
        if num_heads % num_kv_heads:
            raise ValueError("num_heads % num_kv_heads != 0")
        self.k, self.g, self.h = num_kv_heads, num_heads // num_kv_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, self.k * self.h, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, self.k * self.h, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        *batch, length, _ = x.shape
        q = self.q_proj(x).reshape(*batch, length, self.k, self.g, self.h)
        q = q.swapaxes(-4, -3).reshape(*batch, self.k, length * self.g, self.h)             # token by token, its heads of the group in a row
        k, v = (p(x).reshape(*batch, length, self.k, self.h).swapaxes(-3, -2) for p in (self.k_proj, self.v_proj))
        heads = jax.nn.softmax(q @ k.swapaxes(-1, -2) * self.h ** -0.5, axis=-1) @ v
        return self.o_proj(heads.reshape(*batch, self.k, length, self.g, self.h).swapaxes(-4, -3).reshape(x.shape))
