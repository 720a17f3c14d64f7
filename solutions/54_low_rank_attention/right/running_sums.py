"""A scan over the tokens adds each to all rows; a second one lets the queries attend one after the other."""

import jax
import jax.numpy as jnp
from flax import nnx


class LowRankAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, max_len: int, rank: int, *, rngs: nnx.Rngs):
        self.num_heads, self.head_dim = num_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_down = nnx.Linear(max_len, rank, use_bias=False, rngs=rngs)
        self.v_down = nnx.Linear(max_len, rank, use_bias=False, rngs=rngs)

    def __call__(self, x):
        time_first = jnp.moveaxis(x, -2, 0)                                          # (T, ..., d_model)
        heads = lambda rows: rows.reshape(*rows.shape[:-1], self.num_heads, self.head_dim)
        exact = jnp.promote_types(x.dtype, jnp.float32)
        q, k, v = (heads(p(time_first)).astype(exact) for p in (self.q_proj, self.k_proj, self.v_proj))
        rows = len(k)
        kernels = self.k_down.kernel[:rows].astype(exact), self.v_down.kernel[:rows].astype(exact)

        def write(memory, token):
            (e, k), (f, v) = token
            keys, values = memory
            return (keys + jnp.multiply.outer(e, k), values + jnp.multiply.outer(f, v)), None

        empty = jnp.zeros((kernels[0].shape[1], *k.shape[1:]), exact)                 # (rank, ..., N, H)
        (keys, values), _ = jax.lax.scan(write, (empty, empty), ((kernels[0], k), (kernels[1], v)))

        def read(query):
            weights = jax.nn.softmax((query * keys).sum(-1) / self.head_dim ** 0.5, axis=0)
            return (weights[..., None] * values).sum(0)

        out = jnp.moveaxis(jax.lax.map(read, q), 0, -3)
        return self.o_proj(out.reshape(x.shape).astype(x.dtype))
