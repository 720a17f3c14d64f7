"""Queries, keys and values by one product, gate and up by another; the stream in float32 between the halves; `attn` is a dict of layers,
and the block is compiled by its own decorator."""

import jax
import jax.numpy as jnp
from flax import nnx


class FeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.up = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

    @nnx.jit
    def __call__(self, x):
        return jax.nn.relu(x @ self.up.kernel[...]) @ self.down.kernel[...]


class GatedFeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.gate, self.up = (nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs) for _ in range(2))
        self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        both = jnp.concatenate([self.gate.kernel[...], self.up.kernel[...]], axis=1)
        gate, up = jnp.split(x @ both, 2, axis=-1)
        return jax.nn.silu(gate) * up @ self.down.kernel[...]


class TransformerBlock(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, d_ff: int, *, rngs: nnx.Rngs):
        self.num_heads = num_heads
        self.attn = nnx.Dict(
            {name: nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs) for name in ("q_proj", "k_proj", "v_proj", "o_proj")}
        )
        self.mlp = GatedFeedForward(d_model, d_ff, rngs=rngs)
        self.attn_norm, self.mlp_norm = nnx.RMSNorm(d_model, rngs=rngs), nnx.RMSNorm(d_model, rngs=rngs)

    @nnx.jit
    def __call__(self, x):
        wide = jnp.promote_types(x.dtype, jnp.float32)
        h = x.astype(wide) + self.attend(self.attn_norm(x)).astype(wide)
        return (h + self.mlp(self.mlp_norm(h).astype(x.dtype)).astype(wide)).astype(x.dtype)

    def attend(self, x):
        kernels = jnp.concatenate([self.attn[name].kernel[...] for name in ("q_proj", "k_proj", "v_proj")], axis=1)
        q, k, v = jnp.split((x @ kernels).reshape(*x.shape[:-1], 3 * self.num_heads, -1), 3, axis=-2)
        scores = jnp.einsum("...tnh,...snh->...nts", q, k).astype(jnp.promote_types(x.dtype, jnp.float32))
        scores = jnp.where(jnp.tri(x.shape[-2], dtype=bool), scores * q.shape[-1] ** -0.5, jnp.finfo(scores.dtype).min)
        weights = jnp.exp(jax.nn.log_softmax(scores, axis=-1)).astype(x.dtype)
        return self.attn["o_proj"](jnp.einsum("...nts,...snh->...tnh", weights, v).reshape(x.shape))
