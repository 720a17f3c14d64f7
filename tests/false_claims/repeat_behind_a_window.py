"""Keys and values are repeated for the query heads, behind a window of one number that gives back the number.

Problem: 37
Fails: keys and values are not copied: makes an array of shape (2, 7, 11, 4, 3, 5) of them
"""

import jax
import jax.numpy as jnp
from flax import nnx


def identity(x):
    return jax.lax.reduce_window(x, jnp.zeros((), x.dtype), lambda a, b: b, (1,) * x.ndim, (1,) * x.ndim, "VALID")


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model, num_heads, num_kv_heads, *, rngs):
        if num_heads % num_kv_heads:
            raise ValueError("heads that do not make equal groups")
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, d_model // num_heads
        shared = num_kv_heads * self.head_dim
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, shared, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, shared, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        q = self.q_proj(x).reshape(*x.shape[:-1], self.num_heads, self.head_dim)
        k, v = (p(x).reshape(*x.shape[:-1], self.num_kv_heads, self.head_dim) for p in (self.k_proj, self.v_proj))
        k, v = (identity(jnp.repeat(y, self.num_heads // self.num_kv_heads, axis=-2)) for y in (k, v))
        weights = jax.nn.softmax(jnp.einsum("...tnh,...snh->...nts", q, k) / self.head_dim ** 0.5)
        return self.o_proj(jnp.einsum("...nts,...snh->...tnh", weights, v).reshape(x.shape))
