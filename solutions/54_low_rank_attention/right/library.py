"""The library's fused attention, which takes fewer keys than queries; the batch is flattened to the one axis that it knows."""

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
        length, width = x.shape[-2:]
        flat = x.reshape(-1, length, width)
        keys = jnp.tensordot(self.k_proj(flat), self.k_down.kernel[...][:length], axes=((1,), (0,))).swapaxes(1, 2)
        values = jnp.tensordot(self.v_proj(flat), self.v_down.kernel[...][:length], axes=((1,), (0,))).swapaxes(1, 2)
        split = lambda rows: rows.reshape(len(flat), -1, self.num_heads, self.head_dim)
        heads = jax.nn.dot_product_attention(split(self.q_proj(flat)), split(keys), split(values))
        return self.o_proj(heads.reshape(x.shape))
