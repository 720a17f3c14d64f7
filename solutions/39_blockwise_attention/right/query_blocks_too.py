"""Blocks of queries outside, by lax.map, and blocks of keys inside; a causal block that nobody in the query block sees is skipped."""

import jax
import jax.numpy as jnp


def blockwise_attention(q, k, v, block_size, causal=False):
    t_q, t_k, d_v = q.shape[0], k.shape[0], v.shape[1]
    rows = cols = block_size

    def tiles(x, size):
        padded = jnp.pad(x, ((0, -x.shape[0] % size), (0, 0)))
        return padded.reshape(-1, size, x.shape[1])

    key_tiles, value_tiles = tiles(k, cols), tiles(v, cols)

    def one_query_tile(numbered):
        n, tile = numbered
        query_at = n * rows + jnp.arange(rows) + (t_k - t_q if causal else t_k + t_q)

        def fold(b, carry):
            top, total, out = carry
            key_at = b * cols + jnp.arange(cols)
            mask = (key_at <= query_at[:, None]) & (key_at < t_k)
            s = jnp.where(mask, jnp.dot(tile, key_tiles[b].T, preferred_element_type=jnp.float32) / jnp.sqrt(jnp.float32(q.shape[1])), -jnp.inf)
            high = jax.lax.stop_gradient(jnp.maximum(top, s.max(1)))
            base = jnp.nan_to_num(high, neginf=0.0)
            p, shrink = jnp.exp(s - base[:, None]), jnp.exp(top - base)
            return high, shrink * total + p.sum(1), shrink[:, None] * out + jnp.dot(p, value_tiles[b], preferred_element_type=jnp.float32)

        def maybe(b, carry):
            return jax.lax.cond(b * cols <= query_at[-1], lambda c: fold(b, c), lambda c: c, carry)

        begin = jnp.full(rows, -jnp.inf), jnp.zeros(rows), jnp.zeros((rows, d_v))
        _, total, out = jax.lax.fori_loop(0, len(key_tiles), maybe, begin)
        return out / jnp.where(total == 0, 1.0, total)[:, None]

    query_tiles = tiles(q, rows)
    out = jax.lax.map(one_query_tile, (jnp.arange(len(query_tiles)), query_tiles))
    return out.reshape(-1, d_v)[:t_q].astype(q.dtype)
