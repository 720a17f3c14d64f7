"""Every step attends from every slot. Each function is another way to the products, which `products` takes.

Problem: 36
Fails: a step costs no more than its token: arithmetic operations; 18432 are enough
"""

import jax
import jax.numpy as jnp
from flax import nnx


def by_a_convolution(a, b):
    return jax.lax.conv_general_dilated(a[:, :, None], b[:, :, None], (1,), "VALID")[..., 0]


def by_a_scatter(a, b):
    return jnp.zeros(len(a) * len(b)).at[jnp.arange(len(a) * len(b)).repeat(a.shape[1])].add((a[:, None] * b[None]).ravel()).reshape(len(a), len(b))


def by_multiply_and_sum(a, b):
    return (a[:, None] * b[None]).sum(-1)


def by_ragged_products(a, b):
    return jax.lax.ragged_dot(a, b.T[None], jnp.array([len(a)]))


def behind_a_window(a, b):
    return jax.lax.reduce_window(a @ b.T, 0.0, lambda x, y: y, (1, 1), (1, 1), "VALID")


class CachedSelfAttention(nnx.Module):
    def __init__(self, d_model, num_heads, max_len, *, rngs):
        self.num_heads, self.head_dim, self.max_len = num_heads, d_model // num_heads, max_len
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_cache = nnx.Cache(jnp.zeros((max_len, num_heads, self.head_dim)))
        self.v_cache = nnx.Cache(jnp.zeros((max_len, num_heads, self.head_dim)))
        self.pos = nnx.Cache(jnp.array(0, jnp.int32))

    def __call__(self, x):
        start, slots = self.pos[...], jnp.arange(self.max_len)
        q, k, v = (p(x).reshape(len(x), self.num_heads, self.head_dim) for p in (self.q_proj, self.k_proj, self.v_proj))
        self.k_cache[...] = jax.lax.dynamic_update_slice_in_dim(self.k_cache[...], k, start, axis=0)
        self.v_cache[...] = jax.lax.dynamic_update_slice_in_dim(self.v_cache[...], v, start, axis=0)
        self.pos[...] = start + len(x)
        queries = jax.lax.dynamic_update_slice_in_dim(jnp.zeros_like(self.k_cache[...]), q, start, axis=0)
        outputs = []
        for n in range(self.num_heads):         # from every slot, and most of it for nothing
            scores = products(queries[:, n], self.k_cache[...][:, n]) / self.head_dim ** 0.5
            weights = jax.nn.softmax(scores, axis=-1, where=slots <= slots[:, None])
            outputs.append(products(weights, self.v_cache[...][:, n].T))
        outputs = jnp.stack(outputs, axis=1)
        return self.o_proj(jax.lax.dynamic_slice_in_dim(outputs, start, len(x), axis=0).reshape(x.shape))


products = by_a_scatter
