"""The networks are written for one token and one head, and jnp.vectorize and vmap add all other axes."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx

linear = functools.partial(nnx.Linear, use_bias=False)


class FeedForward(nnx.Module):
    def __init__(self, d_model, d_ff, *, rngs):
        self.up, self.down = linear(d_model, d_ff, rngs=rngs), linear(d_ff, d_model, rngs=rngs)

    def __call__(self, x):
        up, down = self.up.kernel[...], self.down.kernel[...]
        return jnp.vectorize(lambda token: down.T @ jnp.clip(up.T @ token, 0), signature="(d)->(d)")(x)


class GatedFeedForward(nnx.Module):
    def __init__(self, d_model, d_ff, *, rngs):
        self.gate = linear(d_model, d_ff, rngs=rngs)
        self.up = linear(d_model, d_ff, rngs=rngs)
        self.down = linear(d_ff, d_model, rngs=rngs)

    def __call__(self, x):
        gate, up, down = self.gate.kernel[...], self.up.kernel[...], self.down.kernel[...]

        def unit(token, gate, up):
            return jax.nn.silu(token @ gate) * (token @ up)

        def token(features):
            return jax.vmap(unit, in_axes=(None, 1, 1))(features, gate, up) @ down

        return jnp.vectorize(token, signature="(d)->(d)")(x)


def head(q, k, v):
    def query(i, q):
        scores = jnp.vecdot(k, q).astype(jnp.promote_types(q.dtype, jnp.float32)) / len(q) ** 0.5
        weights = jax.nn.softmax(scores, where=jnp.arange(len(k)) <= i)
        return jnp.average(v.astype(weights.dtype), axis=0, weights=weights).astype(v.dtype)

    return jax.vmap(query)(jnp.arange(len(q)), q)


class Attention(nnx.Module):
    def __init__(self, d_model, num_heads, *, rngs):
        self.q_proj, self.k_proj = linear(d_model, d_model, rngs=rngs), linear(d_model, d_model, rngs=rngs)
        self.v_proj, self.o_proj = linear(d_model, d_model, rngs=rngs), linear(d_model, d_model, rngs=rngs)
        self.num_heads = num_heads

    def __call__(self, x):
        def sequence(*projected):
            q, k, v = (rows.reshape(len(rows), self.num_heads, -1) for rows in projected)
            return jax.vmap(head, in_axes=1, out_axes=1)(q, k, v).reshape(projected[0].shape)

        return self.o_proj(jnp.vectorize(sequence, signature="(t,d),(t,d),(t,d)->(t,d)")(self.q_proj(x), self.k_proj(x), self.v_proj(x)))


class TransformerBlock(nnx.Module):
    def __init__(self, d_model, num_heads, d_ff, *, rngs):
        self.attn_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.attn = Attention(d_model, num_heads, rngs=rngs)
        self.mlp_norm = nnx.RMSNorm(d_model, rngs=rngs)
        self.mlp = GatedFeedForward(d_model, d_ff, rngs=rngs)

    def __call__(self, x):
        return self._add(self.mlp_norm, self.mlp, self._add(self.attn_norm, self.attn, x))

    def _add(self, norm, part, x):
        return jnp.add(x, part(norm(x)))
