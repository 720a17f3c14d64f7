"""einops for the heads, and for the one axis that all batch dimensions become."""

import einops
import jax
import jax.numpy as jnp
from flax import nnx


class FeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.up = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        flat, shape = einops.pack([x], "* d")
        (out,) = einops.unpack(self.down(jax.nn.relu(self.up(flat))), shape, "* d")
        return out


class GatedFeedForward(FeedForward):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        super().__init__(d_model, d_ff, rngs=rngs)
        self.gate = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)

    def __call__(self, x):
        return self.down(jnp.multiply(self.up(x), jax.nn.swish(self.gate(x))))


class SelfAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, rngs: nnx.Rngs):
        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs) for _ in range(4)
        )

    def __call__(self, x):
        q, k, v = (einops.rearrange(p(x), "... t (n h) -> ... n t h", n=self.num_heads) for p in (self.q_proj, self.k_proj, self.v_proj))
        scores = einops.einsum(q, k, "... n t h, ... n s h -> ... n t s") / q.shape[-1] ** 0.5
        past = einops.rearrange(jnp.arange(x.shape[-2]), "t -> t 1") >= jnp.arange(x.shape[-2])
        weights = jax.nn.softmax(scores.astype(jnp.promote_types(scores.dtype, "float32")), where=past).astype(x.dtype)
        return self.o_proj(einops.rearrange(weights @ v, "... n t h -> ... t (n h)"))


class TransformerBlock(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, d_ff: int, *, rngs: nnx.Rngs):
        self.attn = SelfAttention(d_model, num_heads, rngs)
        self.mlp = GatedFeedForward(d_model, d_ff, rngs=rngs)
        self.attn_norm = nnx.RMSNorm(num_features=d_model, rngs=rngs)
        self.mlp_norm = nnx.RMSNorm(num_features=d_model, rngs=rngs)

    def __call__(self, x):
        h = x + self.attn(self.attn_norm(x))
        return h + self.mlp(self.mlp_norm(h))
