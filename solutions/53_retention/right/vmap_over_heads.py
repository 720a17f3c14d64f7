"""One head is written down, and vmap brings the others. In the band a query cuts out its own keys, one query at a
time."""

import functools

import jax
import jax.numpy as jnp


def over_heads(function):
    return jax.vmap(function, in_axes=(1, 1, 1, 0), out_axes=1)


def one_head(q, k, v, log_decay):
    q, k, v32 = (x.astype(jnp.float32) for x in (q, k, v))
    T, width = q.shape
    distance = jnp.abs(jnp.subtract.outer(jnp.arange(T), jnp.arange(T)))
    weights = jnp.tril((q @ k.T) * jnp.exp(log_decay * distance))
    return (weights @ v32 / jnp.sqrt(width)).astype(v.dtype)


def retention(q, k, v, log_decay):
    return over_heads(one_head)(q, k, v, log_decay)


@jax.vmap
def retention_step(state, q, k, v, log_decay):
    state = state * jnp.exp(log_decay) + jnp.outer(k.astype(jnp.float32), v.astype(jnp.float32))
    return state, (q.astype(jnp.float32) @ state / jnp.sqrt(q.shape[0])).astype(q.dtype)


def chunked_retention(q, k, v, log_decay, chunk_size):
    def head(q, k, v, log_decay):
        T, width = q.shape
        size = min(chunk_size, T)
        place = jnp.arange(size, dtype=jnp.float32)

        def cut(x):
            return jnp.pad(x, ((0, -T % size), (0, 0))).reshape(-1, size, x.shape[-1])

        def turn(S, chunk):
            a, b, c = (x.astype(jnp.float32) for x in chunk)
            out = one_head(a, b, c, log_decay) + jnp.exp(log_decay * (place + 1))[:, None] * (a @ S) / width**0.5
            return jnp.exp(log_decay * size) * S + (jnp.exp(log_decay * place[::-1])[:, None] * b).T @ c, out

        _, out = jax.lax.scan(turn, jnp.zeros((width, v.shape[-1])), (cut(q), cut(k), cut(v)))
        return out.reshape(-1, v.shape[-1])[:T].astype(q.dtype)

    return over_heads(head)(q, k, v, log_decay)


def banded_attention(q, k, v, alpha, band):
    def head(q, k, v, alpha):
        T, width = q.shape
        reach = min(2 * band + 1, T)

        def one_query(q, i):
            # moved back where it would run over an end; places say what is near
            start = jnp.clip(i - band, 0, T - reach)
            cut = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=start, slice_size=reach)
            away = jnp.abs(start + jnp.arange(reach) - i)
            scores = cut(k).astype(jnp.float32) @ q.astype(jnp.float32) / width**0.5 - alpha * away
            return jax.nn.softmax(jnp.where(away <= band, scores, -jnp.inf)) @ cut(v).astype(jnp.float32)

        return jax.lax.map(lambda row: one_query(*row), (q, jnp.arange(T))).astype(v.dtype)

    return over_heads(head)(q, k, v, alpha)
