"""One token after another in a scan, with a running maximum and a running sum; key and value meet the group by elementwise products."""

import jax
import jax.numpy as jnp
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, num_kv_heads: int, *, rngs: nnx.Rngs):
        if num_heads % num_kv_heads:
            raise ValueError("unequal groups")
        self.groups, self.head_dim = num_kv_heads, d_model // num_heads
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, num_kv_heads * self.head_dim, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, num_kv_heads * self.head_dim, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        q = self.q_proj(x).reshape(*x.shape[:-1], self.groups, -1, self.head_dim) / self.head_dim ** 0.5        # (..., T, K, G, H)
        k, v = (jnp.moveaxis(p(x).reshape(*x.shape[:-1], self.groups, 1, self.head_dim), -4, 0) for p in (self.k_proj, self.v_proj))

        def step(state, token):
            top, total, output = state
            key, value = (a[..., None, :, :, :] for a in token)                                                 # (..., 1, K, 1, H)
            score = (q * key).sum(-1, keepdims=True)
            new_top = jax.lax.stop_gradient(jnp.maximum(top, score))
            old, new = jnp.exp(top - new_top), jnp.exp(score - new_top)
            return (new_top, old * total + new, old * output + new * value), None

        start = (jnp.full((*q.shape[:-1], 1), jnp.finfo(q.dtype).min), jnp.zeros((*q.shape[:-1], 1)), jnp.zeros(q.shape))
        (_, total, output), _ = jax.lax.scan(step, start, (k, v))
        return self.o_proj((output / total).reshape(x.shape).astype(x.dtype))
