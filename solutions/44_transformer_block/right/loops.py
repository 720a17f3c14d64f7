"""Python loops over hidden units, heads, queries and keys, and a softmax by hand."""

import jax
import jax.numpy as jnp
from flax import nnx


class FeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.up = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        hidden, down = self.up(x), self.down.kernel[...]
        return sum(jnp.where(hidden[..., [unit]] > 0, hidden[..., [unit]], 0) * down[unit] for unit in range(down.shape[0]))


class GatedFeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.gate = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.up = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        gate, up, down = self.gate(x), self.up(x), self.down.kernel[...]
        out = jnp.zeros_like(x)
        for unit in range(down.shape[0]):
            z = gate[..., unit, None]
            out += 0.5 * z * (1 + jnp.tanh(0.5 * z)) * up[..., unit, None] * down[unit]
        return out


class Attention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        self.num_heads, self.width = num_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        rows = []
        for i in range(x.shape[-2]):
            row = []
            for n in range(self.num_heads):
                mine = slice(n * self.width, (n + 1) * self.width)
                scores = [(q[..., i, mine] * k[..., j, mine]).sum(-1, keepdims=True) / self.width**0.5 for j in range(i + 1)]
                scores = jnp.stack(scores).astype(jnp.promote_types(x.dtype, jnp.float32))
                powers = jnp.exp(scores - scores.max(0))
                total = sum(powers[j] for j in range(i + 1))
                row.append(sum(powers[j] / total * v[..., j, mine] for j in range(i + 1)))
            rows.append(jnp.concatenate(row, -1).astype(x.dtype))
        return self.o_proj(jnp.stack(rows, -2))


class TransformerBlock(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, d_ff: int, *, rngs: nnx.Rngs):
        self.attn_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.mlp_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.attn = Attention(d_model, num_heads, rngs=rngs)
        self.mlp = GatedFeedForward(d_model, d_ff, rngs=rngs)

    def __call__(self, x):
        h = x + self.attn(self.attn_norm(x))
        return h + self.mlp(self.mlp_norm(h))
