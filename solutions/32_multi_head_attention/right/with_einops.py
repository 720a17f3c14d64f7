"""einops: the split, the contiguous heads and the join are written down as patterns."""

import einops
import jax
from flax import nnx


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        if d_model % num_heads != 0:
            raise ValueError(f"d_model ({d_model}) % num_heads ({num_heads}) must be 0")
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.num_heads, self.scale = num_heads, (d_model // num_heads) ** -0.5

    def __call__(self, x):
        q, k, v = (einops.rearrange(p(x), "... t (n h) -> ... n t h", n=self.num_heads) for p in (self.q_proj, self.k_proj, self.v_proj))
        weights = jax.nn.softmax(einops.einsum(q, k, "... n t h, ... n s h -> ... n t s") * self.scale, axis=-1)
        return self.o_proj(einops.rearrange(weights @ v, "... n t h -> ... t (n h)"))
