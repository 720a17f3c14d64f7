"""The library's own attention takes fewer heads of keys and values than of queries, and groups them in the same way."""

import jax
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model, num_heads, num_kv_heads, *, rngs):
        if num_heads % num_kv_heads:
            raise ValueError("the heads do not make equal groups")
        self.head_dim = d_model // num_heads

        def project(width):
            return nnx.Linear(d_model, width, use_bias=False, rngs=rngs)

        self.q_proj, self.o_proj = project(d_model), project(d_model)
        self.k_proj, self.v_proj = project(num_kv_heads * self.head_dim), project(num_kv_heads * self.head_dim)

    def __call__(self, x):
        q, k, v = (p(x).reshape(-1, x.shape[-2], p.out_features // self.head_dim, self.head_dim) for p in (self.q_proj, self.k_proj, self.v_proj))
        return self.o_proj(jax.nn.dot_product_attention(q, k, v).reshape(x.shape))
