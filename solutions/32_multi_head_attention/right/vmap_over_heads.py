"""One head written for one sequence; vmap adds the heads, and jnp.vectorize the batch dimensions."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx


def one_head(q, k, v):
    return jax.nn.softmax(q @ k.T * jax.lax.rsqrt(jnp.asarray(q.shape[-1], q.dtype))) @ v


class MultiHeadAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, *, rngs: nnx.Rngs):
        if d_model // num_heads * num_heads != d_model:
            raise ValueError(f"cannot split {d_model} features into {num_heads} equal heads")
        linear = functools.partial(nnx.Linear, d_model, d_model, use_bias=False, rngs=rngs)
        self.q_proj, self.k_proj = linear(), linear()
        self.v_proj, self.o_proj = linear(), linear()
        self.num_heads = num_heads

    def __call__(self, x):
        attend = jnp.vectorize(self._one_sequence, signature="(t,d),(t,d),(t,d)->(t,d)")
        return self.o_proj(attend(self.q_proj(x), self.k_proj(x), self.v_proj(x)))

    def _one_sequence(self, *projected):
        q, k, v = (p.reshape(p.shape[0], self.num_heads, -1) for p in projected)
        return jax.vmap(one_head, in_axes=1, out_axes=1)(q, k, v).reshape(projected[0].shape)
