"""No keys and no values: each head's key kernel is multiplied into its queries, and its value kernel into the average of the tokens."""

import jax
import jax.numpy as jnp
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads:
            raise ValueError(f"num_heads={num_heads}, num_kv_heads={num_kv_heads}")
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        shared = d_model // num_heads * num_kv_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, shared, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, shared, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        queries = jnp.split(self.q_proj(x), self.num_heads, axis=-1)
        of_keys, of_values = (jnp.split(p.kernel[...], self.num_kv_heads, axis=-1) for p in (self.k_proj, self.v_proj))
        heads = []
        for n, q in enumerate(queries):
            read = n // (self.num_heads // self.num_kv_heads)
            weights = jax.nn.softmax((q @ of_keys[read].T) @ x.swapaxes(-1, -2) * q.shape[-1] ** -0.5)
            heads.append(weights @ x @ of_values[read])
        return self.o_proj(jnp.concatenate(heads, axis=-1))
