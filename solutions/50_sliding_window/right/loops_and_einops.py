"""Heads in a Python loop, a scan over blocks that carries the block before. The cache is a queue that is turned: the oldest token is moved to the end and overwritten there."""

import einops
import jax
import jax.numpy as jnp
from flax import nnx


def one_head(q, k, v, window, sinks):
    T = len(q)
    block = min(window, T)
    q, k, v = q.astype(jnp.float32) / q.shape[1] ** 0.5, k.astype(jnp.float32), v.astype(jnp.float32)
    pad = lambda x: einops.rearrange(jnp.pad(x, ((0, -T % block), (0, 0))), "(c b) h -> c b h", b=block)
    first_k, first_v = k[:sinks], v[:sinks]
    row, column = jnp.arange(block)[:, None], jnp.arange(block)

    def turn(before, rows):
        number, k_before, v_before = before
        q, k, v = rows
        parts = [
            (first_k, first_v, number * block + row - jnp.arange(len(first_k)) >= window),
            (k_before, v_before, (row + block - column < window) & (number > 0)),
            (k, v, (column <= row) & (row - column < window)),
        ]
        scores = jnp.concatenate([jnp.where(seen, q @ keys.T, -jnp.inf) for keys, _, seen in parts], axis=1)
        out = jax.nn.softmax(scores, axis=1) @ jnp.concatenate([values for _, values, _ in parts])
        return (number + 1, k, v), out

    rows = pad(q), pad(k), pad(v)
    start = 0, jnp.zeros_like(rows[1][0]), jnp.zeros_like(rows[2][0])
    return einops.rearrange(jax.lax.scan(turn, start, rows)[1], "c b h -> (c b) h")[:T]


def sliding_window_attention(q, k, v, window, sinks=0):
    heads = [one_head(q[:, n], k[:, n], v[:, n], window, sinks) for n in range(q.shape[1])]
    return jnp.stack(heads, axis=1).astype(v.dtype)


class RollingCacheAttention(nnx.Module):
    def __init__(self, d_model: int, num_heads: int, window: int, *, rngs: nnx.Rngs):
        self.num_heads, self.window = num_heads, window
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_cache = nnx.Cache(jnp.zeros((window, num_heads, d_model // num_heads)))
        self.v_cache = nnx.Cache(jnp.zeros((window, num_heads, d_model // num_heads)))
        self.pos = nnx.Cache(jnp.int32(0))

    def __call__(self, x):
        new = {name: einops.rearrange(getattr(self, f"{name}_proj")(x), "(n h) -> n h", n=self.num_heads) for name in "qkv"}
        self.k_cache[...] = jnp.roll(self.k_cache[...], -1, axis=0).at[-1].set(new["k"])
        self.v_cache[...] = jnp.roll(self.v_cache[...], -1, axis=0).at[-1].set(new["v"])
        self.pos[...] += 1
        known = jnp.flip(jnp.arange(self.window)) < self.pos[...]
        outputs = []
        for n in range(self.num_heads):
            scores = self.k_cache[...][:, n] @ new["q"][n] / jnp.sqrt(new["q"].shape[1])
            scores = jnp.where(known, scores, -jnp.inf)
            weights = jnp.exp(scores - scores.max())
            outputs.append(weights @ self.v_cache[...][:, n] / weights.sum())
        return self.o_proj(jnp.concatenate(outputs))
