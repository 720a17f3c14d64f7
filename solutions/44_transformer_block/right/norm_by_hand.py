"""Norms of its own, as LLaMA's code has them: the normed token is cast back before its scale, which is multiplied in half precision.
The kernels are variables of its own as well, and silu is written out."""

import math

import jax
import jax.numpy as jnp
from flax import nnx


class Kernel(nnx.Module):
    def __init__(self, d_in, d_out, rngs):
        self.kernel = nnx.Param(jax.random.normal(rngs.params(), (d_in, d_out)) / math.sqrt(d_in))

    def __call__(self, x):
        return jnp.matmul(x, self.kernel[...])


class RMSNorm(nnx.Module):
    def __init__(self, d_model):
        self.scale = nnx.Param(jnp.ones(d_model))

    def __call__(self, x):
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        normed = wide * jax.lax.rsqrt(jnp.square(wide).mean(axis=-1, keepdims=True) + 1e-6)
        return self.scale[...] * normed.astype(x.dtype)


class FeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.up, self.down = Kernel(d_model, d_ff, rngs), Kernel(d_ff, d_model, rngs)

    def __call__(self, x):
        hidden = self.up(x)
        return self.down(hidden * (hidden > 0))


class GatedFeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.up, self.gate, self.down = Kernel(d_model, d_ff, rngs), Kernel(d_model, d_ff, rngs), Kernel(d_ff, d_model, rngs)

    def __call__(self, x):
        z = self.gate(x)
        small = jnp.exp(-jnp.abs(z))
        return self.down(jnp.where(z >= 0, z, z * small) / (1 + small) * self.up(x))


class Attention(nnx.Module):
    def __init__(self, d_model, num_heads, rngs):
        self.num_heads = num_heads
        self.q_proj, self.k_proj = Kernel(d_model, d_model, rngs), Kernel(d_model, d_model, rngs)
        self.v_proj, self.o_proj = Kernel(d_model, d_model, rngs), Kernel(d_model, d_model, rngs)

    def __call__(self, x):
        *batch, length, width = x.shape
        q, k, v = (p(x).reshape(*batch, length, self.num_heads, -1).swapaxes(-2, -3) for p in (self.q_proj, self.k_proj, self.v_proj))
        scores = (q @ k.mT).astype(jnp.promote_types(x.dtype, jnp.float32)) / math.sqrt(q.shape[-1])
        scores += jnp.triu(jnp.full((length, length), -1e30), k=1)
        powers = jnp.exp(scores - jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True)))
        weights = powers / powers.sum(axis=-1, keepdims=True)
        return self.o_proj((weights.astype(x.dtype) @ v).swapaxes(-2, -3).reshape(x.shape))


class TransformerBlock(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, d_ff: int, *, rngs: nnx.Rngs):
        self.attn_norm, self.mlp_norm = RMSNorm(d_model), RMSNorm(d_model)
        self.attn = Attention(d_model, num_heads, rngs)
        self.mlp = GatedFeedForward(d_model, d_ff, rngs=rngs)

    def __call__(self, x):
        attended = self.attn(self.attn_norm(x))
        return x + attended + self.mlp(self.mlp_norm(x + attended))
