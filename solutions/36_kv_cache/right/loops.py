"""Two Python loops, over the new tokens and over every slot of the cache."""

import jax
import jax.numpy as jnp
from flax import nnx


class CachedSelfAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, max_len: int, *, rngs: nnx.Rngs):
        self.num_heads, self.width, self.max_len = num_heads, d_model // num_heads, max_len
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_cache = nnx.Cache(jnp.zeros((max_len, num_heads, self.width)))
        self.v_cache = nnx.Cache(jnp.zeros((max_len, num_heads, self.width)))
        self.pos = nnx.Cache(jnp.zeros((), jnp.int32))

    def __call__(self, x):
        rows = []
        for token in x:
            q, k, v = (project(token).reshape(self.num_heads, self.width) for project in (self.q_proj, self.k_proj, self.v_proj))
            self.k_cache[...] = self.k_cache[...].at[self.pos[...]].set(k)
            self.v_cache[...] = self.v_cache[...].at[self.pos[...]].set(v)
            scores = []
            for slot in range(self.max_len):
                score = (q * self.k_cache[...][slot]).sum(-1) / self.width ** 0.5
                scores.append(jnp.where(slot <= self.pos[...], score, -jnp.inf))
            weights = jax.nn.softmax(jnp.stack(scores, -1))
            rows.append(sum(weights[:, slot, None] * self.v_cache[...][slot] for slot in range(self.max_len)).reshape(-1))
            self.pos[...] = self.pos[...] + 1
        return self.o_proj(jnp.stack(rows))
