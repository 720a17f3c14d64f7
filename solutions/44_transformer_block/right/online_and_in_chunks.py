"""Attention one key at a time with an online softmax, and the hidden units in chunks by a scan: neither the weights nor all
hidden units ever exist at once."""

import jax
import jax.numpy as jnp
from flax import nnx


def wide(x):
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def by_unit(hidden, x, into, down):
    """Adds up what each hidden unit gives."""
    def fold(total, kernels):
        *columns, row = kernels
        return total + hidden(*(wide(x) @ wide(column) for column in columns))[..., None] * wide(row), None

    start = jnp.zeros(x.shape, wide(x).dtype)
    return jax.lax.scan(fold, start, (*(kernel.T for kernel in into), down))[0].astype(x.dtype)


class FeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.up = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        return by_unit(jax.nn.relu, x, [self.up.kernel[...]], self.down.kernel[...])


class GatedFeedForward(nnx.Module):
    def __init__(self, d_model: int, d_ff: int, *, rngs: nnx.Rngs):
        self.gate = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.up = nnx.Linear(d_model, d_ff, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(d_ff, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        return by_unit(lambda gate, up: jax.nn.silu(gate) * up, x, [self.gate.kernel[...], self.up.kernel[...]], self.down.kernel[...])


class Attention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        self.num_heads = num_heads
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs))

    def __call__(self, x):
        heads = (*x.shape[:-1], self.num_heads, x.shape[-1] // self.num_heads)
        q, k, v = (wide(p(x)).reshape(heads) for p in (self.q_proj, self.k_proj, self.v_proj))
        places = jnp.arange(x.shape[-2])[:, None]

        def fold(carry, key):
            top, total, out = carry
            j, k, v = key
            score = jnp.where(j <= places, (q * k[..., None, :, :]).sum(-1) / heads[-1] ** 0.5, -jnp.inf)
            now = jnp.maximum(top, score)
            shrink, power = jnp.exp(top - now), jnp.exp(score - now)
            return (now, total * shrink + power, out * shrink[..., None] + power[..., None] * v[..., None, :, :]), None

        # key 0 is seen by every query, so that no maximum is -inf once it was read
        first = jnp.full(heads[:-1], jnp.finfo(q.dtype).min), jnp.zeros(heads[:-1], q.dtype), jnp.zeros(heads, q.dtype)
        keys = jnp.moveaxis(k, -3, 0), jnp.moveaxis(v, -3, 0)
        (_, total, out), _ = jax.lax.scan(fold, first, (jnp.arange(heads[-3]), *keys))
        return self.o_proj((out / total[..., None]).reshape(x.shape).astype(x.dtype))


class TransformerBlock(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, d_ff: int, *, rngs: nnx.Rngs):
        self.attn_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.mlp_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.attn = Attention(d_model, num_heads, rngs=rngs)
        self.mlp = GatedFeedForward(d_model, d_ff, rngs=rngs)

    def __call__(self, x):
        h = x + self.attn(self.attn_norm(x))
        return h + self.mlp(self.mlp_norm(h))
