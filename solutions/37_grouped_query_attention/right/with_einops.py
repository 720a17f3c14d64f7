"""einops: groups, split and join are written down as patterns."""

import einops
import jax
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads != 0:
            raise ValueError(f"num_heads ({num_heads}) % num_kv_heads ({num_kv_heads}) must be 0")
        shared = num_kv_heads * (d_model // num_heads)
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, shared, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, shared, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.sizes, self.scale = dict(k=num_kv_heads, h=d_model // num_heads), (d_model // num_heads) ** -0.5

    def __call__(self, x):
        q = einops.rearrange(self.q_proj(x), "... t (k g h) -> ... k g t h", **self.sizes)
        k, v = (einops.rearrange(p(x), "... s (k h) -> ... k s h", **self.sizes) for p in (self.k_proj, self.v_proj))
        weights = jax.nn.softmax(einops.einsum(q, k, "... k g t h, ... k s h -> ... k g t s") * self.scale, axis=-1)
        return self.o_proj(einops.rearrange(einops.einsum(weights, v, "... k g t s, ... k s h -> ... k g t h"), "... k g t h -> ... t (k g h)"))
