"""Python loops: over tokens for retention, over heads in a step and in the band. Chunks are filled up in front, with keys of
zeros, which add nothing to a sum."""

import jax
import jax.numpy as jnp


def retention_step(state, q, k, v, log_decay):
    states, outputs = [], []
    for n in range(len(q)):
        new = jnp.exp(log_decay[n]) * state[n] + jnp.outer(k[n].astype(jnp.float32), v[n].astype(jnp.float32))
        states.append(new)
        outputs.append((q[n].astype(jnp.float32) @ new / q.shape[-1] ** 0.5).astype(q.dtype))
    return jnp.stack(states), jnp.stack(outputs)


def retention(q, k, v, log_decay):
    S = jnp.zeros((q.shape[1], q.shape[2], v.shape[2]))
    gamma = jnp.exp(log_decay)[:, None, None]
    rows = []
    for t in range(len(q)):
        S = gamma * S + k[t, :, :, None].astype(jnp.float32) * v[t, :, None, :].astype(jnp.float32)
        rows.append(jnp.einsum("nh,nhd->nd", q[t].astype(jnp.float32), S) / q.shape[-1] ** 0.5)
    return jnp.stack(rows).astype(q.dtype)


def chunked_retention(q, k, v, log_decay, chunk_size):
    T, N, H = q.shape
    C = min(chunk_size, T)

    def cut(x):
        return jnp.pad(x, ((-T % C, 0), (0, 0), (0, 0))).reshape(-1, C, *x.shape[1:])

    gamma, place = jnp.exp(log_decay), jnp.arange(C)
    inside = jnp.where(place[:, None] >= place, gamma[:, None, None] ** jnp.maximum(place[:, None] - place, 0), 0)

    def turn(S, chunk):
        a, b, c = (x.astype(jnp.float32) for x in chunk)
        heads = []
        for n in range(N):
            own = (a[:, n] @ b[:, n].T * inside[n]) @ c[:, n]
            heads.append(own + gamma[n] ** (place[:, None] + 1) * (a[:, n] @ S[n]))
        weight = gamma ** (C - 1 - place)[:, None]
        S = (gamma**C)[:, None, None] * S + jnp.einsum("jnh,jn,jnd->nhd", b, weight, c)
        return S, jnp.stack(heads, axis=1) / H**0.5

    out = jax.lax.scan(turn, jnp.zeros((N, H, v.shape[-1])), (cut(q), cut(k), cut(v)))[1]
    return out.reshape(-1, N, v.shape[-1])[-T:].astype(q.dtype)


def banded_attention(q, k, v, alpha, band):
    T, N, H = q.shape
    band = min(band, T - 1)
    steps = jnp.arange(2 * band + 1) - band
    at = jnp.arange(T)[:, None] + steps
    inside = (at >= 0) & (at < T)
    heads = []
    for n in range(N):
        rows = [jnp.pad(x[:, n].astype(jnp.float32), ((band, band), (0, 0))) for x in (k, v)]
        keys, values = (x[at + band] for x in rows)
        scores = (q[:, n, None].astype(jnp.float32) * keys).sum(-1) / H**0.5 - alpha[n] * jnp.abs(steps)
        scores = jnp.where(inside, scores, -jnp.inf)
        powers = jnp.exp(scores - scores.max(axis=1, keepdims=True))
        heads.append((powers[..., None] * values).sum(1) / powers.sum(1)[:, None])
    return jnp.stack(heads, axis=1).astype(q.dtype)
