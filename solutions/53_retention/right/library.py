"""What the library has: an associative scan for the states of single tokens, its fused attention with a bias for blocks of
the band. Full chunks go through a scan, and the tail, if there is one, comes behind it."""

import jax
import jax.numpy as jnp


def retention(q, k, v, log_decay):
    pairs = k.astype(jnp.float32)[..., None] * v.astype(jnp.float32)[..., None, :]
    factors = jnp.broadcast_to(jnp.exp(log_decay)[:, None, None], pairs.shape)
    states = jax.lax.associative_scan(lambda x, y: (x[0] * y[0], y[0] * x[1] + y[1]), (factors, pairs))[1]
    return (jnp.matmul(q.astype(jnp.float32)[..., None, :], states)[..., 0, :] / q.shape[-1] ** 0.5).astype(q.dtype)


def retention_step(state, q, k, v, log_decay):
    state = jnp.exp(log_decay)[:, None, None] * state + jax.vmap(jnp.outer)(k.astype(jnp.float32), v.astype(jnp.float32))
    return state, (jax.vmap(jnp.dot)(q.astype(jnp.float32), state) / jnp.sqrt(q.shape[-1])).astype(q.dtype)


def chunked_retention(q, k, v, log_decay, chunk_size):
    def chunk(state, tokens):
        a, b, c = (jnp.asarray(x, jnp.float32) for x in tokens)
        size = len(a)
        back = jnp.arange(size)[:, None] - jnp.arange(size)
        decay = jnp.tril(jnp.exp(jnp.tensordot(log_decay, jnp.abs(back), axes=0)))
        near = jnp.matmul(jnp.matmul(a.swapaxes(0, 1), b.transpose(1, 2, 0)) * decay, c.swapaxes(0, 1))
        far = jnp.exp(log_decay[:, None] * (jnp.arange(size) + 1))[..., None] * jnp.matmul(a.swapaxes(0, 1), state)
        faded = jnp.exp(log_decay * jnp.arange(size)[::-1, None])[..., None] * b
        state = jnp.exp(log_decay * size)[:, None, None] * state + jnp.matmul(faded.transpose(1, 2, 0), c.swapaxes(0, 1))
        return state, ((near + far).swapaxes(0, 1) / q.shape[-1] ** 0.5).astype(q.dtype)

    full = len(q) // chunk_size
    state, parts = jnp.zeros((*q.shape[1:], v.shape[-1]), jnp.float32), []
    if full:
        cut = [x[: full * chunk_size].reshape(full, chunk_size, *x.shape[1:]) for x in (q, k, v)]
        state, out = jax.lax.scan(chunk, state, cut)
        parts.append(out.reshape(-1, *v.shape[1:]))
    if len(q) % chunk_size:
        parts.append(chunk(state, [x[full * chunk_size :] for x in (q, k, v)])[1])
    return jnp.concatenate(parts)


def banded_attention(q, k, v, alpha, band):
    T = len(q)
    band, size = min(band, T - 1), 32
    blocks = -(-T // size)
    grown = blocks * size - T
    padded = [jnp.pad(x, ((band, band + grown), (0, 0), (0, 0))) for x in (k, v)]
    queries = jnp.pad(q, ((0, grown), (0, 0), (0, 0))).reshape(blocks, size, *q.shape[1:])
    away = jnp.abs(jnp.arange(size)[:, None] + band - jnp.arange(size + 2 * band))

    def block(rows):
        query, start = rows
        keys, values = (jax.lax.dynamic_slice_in_dim(x, start, size + 2 * band) for x in padded)
        place = start - band + jnp.arange(size + 2 * band)
        seen = (away <= band) & (place >= 0) & (place < T)
        bias = jnp.where(seen, -alpha[:, None, None] * away, -1e30).astype(query.dtype)
        return jax.nn.dot_product_attention(query, keys, values, bias=bias[None])

    out = jax.lax.map(block, (queries, jnp.arange(blocks) * size))
    return out.reshape(-1, *v.shape[1:])[:T]
