"""One einsum for each step, in the layout of tokens, heads, features; no axis is ever swapped."""

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
        *batch, length, _ = x.shape
        q, k, v = (p(x).reshape(*batch, length, self.num_heads, self.head_dim) for p in (self.q_proj, self.k_proj, self.v_proj))
        keys = jnp.einsum("tr,...tnh->...rnh", self.k_down.kernel[:length], k)
        values = jnp.einsum("tr,...tnh->...rnh", self.v_down.kernel[:length], v)
        weights = jax.nn.softmax(jnp.einsum("...tnh,...rnh->...ntr", q, keys) / jnp.sqrt(self.head_dim).astype(x.dtype))
        return self.o_proj(jnp.einsum("...ntr,...rnh->...tnh", weights, values).reshape(x.shape))
