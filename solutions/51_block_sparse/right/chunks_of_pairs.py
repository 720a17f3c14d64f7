"""A scan over chunks of sixteen pairs, in two passes: maxima first, then sums; the carry is for all rows and is scattered into. Patterns one random block after another, by `categorical` among what is left."""

import jax
import jax.numpy as jnp

CHUNK = 16


def bigbird_blocks(key, num_blocks, window, num_global, num_random):
    place = jnp.arange(num_blocks)
    seen = jnp.tri(num_blocks, k=window, dtype=bool) & jnp.tri(num_blocks, k=window, dtype=bool).T
    seen = seen | (place[:, None] < num_global) | (place < num_global)

    def one_more(seen, key):
        drawn = jax.random.categorical(key, jnp.where(seen, -1e9, 0.0))
        return seen | (drawn[:, None] == place), None

    return jax.lax.scan(one_more, seen, jax.random.split(key, min(num_random, num_blocks)))[0]


def block_sparse_attention(q, k, v, rows, columns, block_size):
    length, heads, width = q.shape
    blocks = length // block_size
    fill = -len(rows) % CHUNK
    rows, columns = (jnp.pad(x, (0, fill), constant_values=-1).reshape(-1, CHUNK) for x in (rows, columns))
    q4, k4, v4 = (x.astype(jnp.float32).reshape(blocks, block_size, heads, width) for x in (q, k, v))

    def scores(r, c):
        return jnp.einsum("cinh,cjnh->cinj", q4[r], k4[c]) / width**0.5

    def maxima(top, pair):
        r, c = pair
        return top.at[jnp.where(r < 0, blocks, r)].max(scores(r, c).max(-1)), None

    def sums(carry, pair):
        r, c = pair
        to = jnp.where(r < 0, blocks, r)
        p = jnp.exp(scores(r, c) - top[to][..., None])
        total, out = carry
        return (total.at[to].add(p.sum(-1)), out.at[to].add(jnp.einsum("cinj,cjnh->cinh", p, v4[c]))), None

    shape = (blocks + 1, block_size, heads)
    top, _ = jax.lax.scan(maxima, jnp.full(shape, -jnp.inf), (rows, columns))
    top = jax.lax.stop_gradient(top)
    (total, out), _ = jax.lax.scan(sums, (jnp.zeros(shape), jnp.zeros((*shape, width))), (rows, columns))
    out = out / jnp.where(total == 0, 1, total)[..., None]
    return out[:-1].reshape(q.shape).astype(q.dtype)
