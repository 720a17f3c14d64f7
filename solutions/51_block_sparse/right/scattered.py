"""Each pair by vmap, and `.at[...]` with `mode="drop"` for rows that padding does not have. Patterns by `top_k` of noise, scattered into rows."""

import jax
import jax.numpy as jnp


def bigbird_blocks(key, num_blocks, window, num_global, num_random):
    i, j = jnp.meshgrid(jnp.arange(num_blocks), jnp.arange(num_blocks), indexing="ij")
    fixed = (jnp.abs(i - j) <= window) | (jnp.minimum(i, j) < num_global)
    noise = jax.random.normal(key, fixed.shape)
    noise = jnp.where(fixed, -jnp.inf, noise)
    _, columns = jax.lax.top_k(noise, min(num_random, num_blocks))
    return fixed.at[jnp.arange(num_blocks)[:, None], columns].set(True)


def block_sparse_attention(q, k, v, rows, columns, block_size):
    T, N, H = q.shape
    R = T // block_size
    to = jnp.where(rows >= 0, rows, R)
    cut = lambda x: x.reshape(R, block_size, N, H).transpose(0, 2, 1, 3)
    Q, K, V = cut(q), cut(k), cut(v)

    @jax.vmap
    def logits(r, c):
        return jnp.matmul(Q[r], K[c].mT, preferred_element_type=jnp.float32) * H**-0.5

    s = logits(rows, columns)
    low = jnp.finfo(jnp.float32).min
    m = jnp.full((R, N, block_size), low).at[to].max(jax.lax.stop_gradient(s.max(-1)), mode="drop")
    # what padding reads is the last row, and it goes nowhere
    p = jnp.exp(jnp.where((rows >= 0)[:, None, None, None], s - m[rows][..., None], -jnp.inf))
    den = jnp.zeros((R, N, block_size)).at[to].add(p.sum(-1), mode="drop")
    num = jnp.zeros((R, N, block_size, H)).at[to].add(p @ V[columns].astype(jnp.float32), mode="drop")
    out = jnp.where(den[..., None] > 0, num / jnp.where(den > 0, den, 1)[..., None], 0)
    return out.transpose(0, 2, 1, 3).reshape(T, N, H).astype(q.dtype)
