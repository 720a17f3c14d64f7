"""The tokens are brought down first, and the few rows projected then: the sums over time and over features may change places."""

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
        length = x.shape[-2]
        down = jnp.concatenate([self.k_down.kernel[...], self.v_down.kernel[...]], axis=1)[:length]   # (T, 2 rank)
        for_keys, for_values = jnp.split(jnp.swapaxes(jnp.swapaxes(x, -1, -2) @ down, -1, -2), 2, axis=-2)
        heads = lambda rows: jnp.moveaxis(rows.reshape(*rows.shape[:-1], self.num_heads, -1), -2, -3)
        q, keys, values = heads(self.q_proj(x)), heads(self.k_proj(for_keys)), heads(self.v_proj(for_values))
        scores = jnp.matmul(q, keys.mT, preferred_element_type=jnp.promote_types(x.dtype, jnp.float32)) * self.head_dim ** -0.5
        weights = jax.nn.softmax(scores, axis=-1).astype(x.dtype)
        return self.o_proj(jnp.moveaxis(weights @ values, -3, -2).reshape(x.shape))
