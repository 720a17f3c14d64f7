"""The queries get an axis for the group, and einsum does the rest."""

import jax
import jax.numpy as jnp
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads != 0:
            raise ValueError(f"num_heads ({num_heads}) must be divisible by num_kv_heads ({num_kv_heads})")
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, num_kv_heads * self.head_dim, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, num_kv_heads * self.head_dim, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        *batch, length, _ = x.shape
        q = self.q_proj(x).reshape(*batch, length, self.num_kv_heads, -1, self.head_dim)
        k = self.k_proj(x).reshape(*batch, length, self.num_kv_heads, self.head_dim)
        v = self.v_proj(x).reshape(*batch, length, self.num_kv_heads, self.head_dim)
        scores = jnp.einsum("...tkgh,...skh->...kgts", q, k) / jnp.sqrt(self.head_dim)
        return self.o_proj(jnp.einsum("...kgts,...skh->...tkgh", jax.nn.softmax(scores, axis=-1), v).reshape(x.shape))
