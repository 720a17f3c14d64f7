"""37 · The reference: Ainslie et al. 2023, Shazeer 2019. One method for each step, so that a mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class GroupedQueryAttention(nnx.Module):
    def __init__(self, d_model, num_heads, num_kv_heads, *, rngs):
        self.check(d_model, num_heads, num_kv_heads)
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        self.group = num_heads // num_kv_heads
        self.head_dim = d_model // num_heads
        self.make(d_model, rngs)

    def check(self, d_model, num_heads, num_kv_heads):
        if num_heads % num_kv_heads:
            raise ValueError(f"num_heads = {num_heads} is not a multiple of num_kv_heads = {num_kv_heads}")

    def make(self, d_model, rngs):
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, self.num_kv_heads * self.head_dim, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, self.num_kv_heads * self.head_dim, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x):
        q = self.grouped(self.split(self.q_proj(x), self.num_heads))
        k, v = self.split(self.k_proj(x), self.num_kv_heads), self.split(self.v_proj(x), self.num_kv_heads)
        return self.o_proj(self.join(self.attend(q, k, v)))

    def split(self, x, heads):
        """(..., T, heads * H) -> (..., T, heads, H)"""
        return x.reshape(*x.shape[:-1], heads, self.head_dim)

    def grouped(self, q):
        """(..., T, N, H) -> (..., T, K, G, H)"""
        return q.reshape(*q.shape[:-2], self.num_kv_heads, self.group, self.head_dim)

    def scores(self, q, k):
        return jnp.einsum("...tkgh,...skh->...kgts", q, k) / self.head_dim ** 0.5

    def weights(self, scores):
        return jax.nn.softmax(scores, axis=-1)

    def attend(self, q, k, v):
        return jnp.einsum("...kgts,...skh->...tkgh", self.weights(self.scores(q, k)), v)

    def join(self, heads):
        """(..., T, K, G, H) -> (..., T, d_model)"""
        return heads.reshape(*heads.shape[:-3], self.num_heads * self.head_dim)


def error_scale(init, params, x):
    """How large the intermediate values are: (1 + max |score|) max |v| over the heads."""
    num_heads, num_kv_heads = init["num_heads"], init["num_kv_heads"]

    def heads(name, number):
        projected = x @ params[f"{name}.kernel"]
        return np.swapaxes(projected.reshape(*x.shape[:-1], number, -1), -3, -2)

    q, k, v = heads("q_proj", num_heads), heads("k_proj", num_kv_heads), heads("v_proj", num_kv_heads)
    k = np.repeat(k, num_heads // num_kv_heads, axis=-3)
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
