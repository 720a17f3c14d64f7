"""Tiles as in FlashAttention-2: forward, query blocks outside and key blocks inside; backward, key blocks outside and query blocks inside. A large negative number hides."""

import jax
import jax.numpy as jnp

LOW = -1e30


class Tiles:
    def __init__(self, t_q, t_k, size, causal):
        self.t_q, self.t_k, self.size, self.causal = t_q, t_k, size, causal

    def cut(self, x):
        x = x[:, None] if x.ndim == 1 else x
        short = -len(x) % self.size
        return jnp.concatenate([x, jnp.zeros((short, x.shape[1]), x.dtype)]).reshape(-1, self.size, x.shape[1])

    def mask(self, i, j):
        rows, cols = i * self.size + jnp.arange(self.size), j * self.size + jnp.arange(self.size)
        mask = (rows < self.t_q)[:, None] & (cols < self.t_k)
        return mask & (cols <= rows[:, None] + self.t_k - self.t_q) if self.causal else mask


def product(a, b):
    return jax.lax.dot_general(a, b, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)


def flash_forward(q, k, v, block_size, causal=False):
    tiles = Tiles(len(q), len(k), block_size, causal)
    key_tiles, value_tiles = tiles.cut(k), tiles.cut(v)
    scale = 1 / jnp.sqrt(jnp.float32(q.shape[1]))

    def one_query_tile(i_and_tile):
        i, tile = i_and_tile

        def fold(carry, xs):
            m, l, o = carry
            j, keys, values = xs
            mask = tiles.mask(i, j)
            s = jnp.where(mask, product(tile, keys) * scale, LOW)
            new = jnp.maximum(m, s.max(1))
            p = jnp.where(mask, jnp.exp(s - new[:, None]), 0.0)
            a = jnp.exp(m - new)
            return (new, a * l + p.sum(1), a[:, None] * o + p @ values.astype(jnp.float32)), None

        begin = jnp.full(block_size, LOW), jnp.zeros(block_size), jnp.zeros((block_size, v.shape[1]))
        (m, l, o), _ = jax.lax.scan(fold, begin, (jnp.arange(len(key_tiles)), key_tiles, value_tiles))
        seen = l > 0
        lse = jnp.where(seen, m + jnp.log(jnp.where(seen, l, 1.0)), -jnp.inf)
        return o / jnp.where(seen, l, 1.0)[:, None], lse

    query_tiles = tiles.cut(q)
    out, lse = jax.lax.map(one_query_tile, (jnp.arange(len(query_tiles)), query_tiles))
    return out.reshape(-1, v.shape[1])[: len(q)].astype(q.dtype), lse.reshape(-1)[: len(q)]


def flash_attention(q, k, v, block_size, causal=False):
    return attend(block_size, causal, q, k, v)


def attend(block_size, causal, q, k, v):
    return flash_forward(q, k, v, block_size, causal)[0]


def keep(block_size, causal, q, k, v):
    out, lse = flash_forward(q, k, v, block_size, causal)
    return out, (q, k, v, out, lse)


def pull(block_size, causal, kept, g):
    q, k, v, out, lse = kept
    tiles = Tiles(len(q), len(k), block_size, causal)
    scale = 1 / jnp.sqrt(jnp.float32(q.shape[1]))
    delta = (g.astype(jnp.float32) * out.astype(jnp.float32)).sum(1)
    by_query = (*(tiles.cut(x) for x in (q, g, delta, lse)),)
    numbers = jnp.arange(len(by_query[0]))

    def one_key_tile(dq, xs):
        j, keys, values = xs

        def one_pair(carry, xs):
            dk, dv = carry
            i, rows, grad, delta, lse = xs
            # where nothing is seen the logarithm may be -inf: it is not used there
            p = jnp.where(tiles.mask(i, j), jnp.exp(jnp.where(tiles.mask(i, j), product(rows, keys) * scale - lse, 0.0)), 0.0)
            ds = p * (product(grad, values) - delta) * scale
            dk += product(ds.T, rows.astype(jnp.float32).T)
            dv += product(p.T, grad.astype(jnp.float32).T)
            return (dk, dv), ds @ keys.astype(jnp.float32)

        zeros = jnp.zeros(keys.shape), jnp.zeros(values.shape)
        (dk, dv), more = jax.lax.scan(one_pair, zeros, (numbers, *by_query))
        return dq + more, (dk, dv)

    key_tiles, value_tiles = tiles.cut(k), tiles.cut(v)
    dq, (dk, dv) = jax.lax.scan(
        one_key_tile, jnp.zeros(by_query[0].shape), (jnp.arange(len(key_tiles)), key_tiles, value_tiles)
    )
    return tuple(d.reshape(-1, d.shape[-1])[: len(x)].astype(x.dtype) for d, x in zip((dq, dk, dv), (q, k, v)))


attend = jax.custom_vjp(attend, nondiff_argnums=(0, 1))
attend.defvjp(keep, pull)
