"""One head written for one sequence; the inner vmap adds the group (keys and values as they are), the outer one the key/value heads, and
jnp.vectorize the batch dimensions."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx


def one_head(q, k, v):
    return jax.nn.softmax(q @ k.T * jax.lax.rsqrt(jnp.asarray(q.shape[-1], q.dtype))) @ v


one_group = jax.vmap(one_head, in_axes=(1, None, None), out_axes=1)
all_groups = jax.vmap(one_group, in_axes=(1, 1, 1), out_axes=1)


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads:
            raise ValueError(f"cannot share {num_kv_heads} key/value heads equally among {num_heads} heads")
        self.num_kv_heads, self.head_dim = num_kv_heads, d_model // num_heads
        linear = functools.partial(nnx.Linear, use_bias=False, rngs=rngs)
        self.q_proj, self.o_proj = linear(d_model, d_model), linear(d_model, d_model)
        self.k_proj, self.v_proj = (linear(d_model, num_kv_heads * self.head_dim) for _ in range(2))

    def __call__(self, x):
        return self.o_proj(jnp.vectorize(self._one_sequence, signature="(t,d),(t,e),(t,e)->(t,d)")(self.q_proj(x), self.k_proj(x), self.v_proj(x)))

    def _one_sequence(self, q, k, v):
        grouped = q.reshape(q.shape[0], self.num_kv_heads, -1, self.head_dim)
        k, v = (a.reshape(a.shape[0], self.num_kv_heads, self.head_dim) for a in (k, v))
        return all_groups(grouped, k, v).reshape(q.shape)
