"""Retention is a scan of its own steps. Within a chunk the factors are powers of the decay, made by multiplying; the
band goes through the distances in a loop, with a running maximum."""

import jax
import jax.numpy as jnp


def retention_step(state, q, k, v, log_decay):
    gamma = jnp.exp(log_decay).reshape(-1, 1, 1)
    state = gamma * state + k.astype(state.dtype)[..., None] * v.astype(state.dtype)[:, None]
    return state, ((q.astype(state.dtype)[..., None] * state).sum(1) / q.shape[-1] ** 0.5).astype(q.dtype)


def retention(q, k, v, log_decay):
    start = jnp.zeros((*q.shape[1:], v.shape[-1]), jnp.float32)
    return jax.lax.scan(lambda state, token: retention_step(state, *token, log_decay), start, (q, k, v))[1]


def chunked_retention(q, k, v, log_decay, chunk_size):
    T, N, H = q.shape
    C = min(chunk_size, T)
    gamma = jnp.exp(log_decay)
    # 1, gamma, gamma^2, ..., gamma^C
    powers = jnp.cumprod(jnp.concatenate([jnp.ones((1, N)), jnp.broadcast_to(gamma, (C, N))]), axis=0)
    back = jnp.arange(C)[:, None] - jnp.arange(C)
    factors = jnp.where((back >= 0)[..., None], powers[jnp.maximum(back, 0)], 0)

    def cut(x):
        return jnp.pad(x, ((0, -T % C), (0, 0), (0, 0))).reshape(-1, C, *x.shape[1:])

    @jax.checkpoint
    def turn(S, chunk):
        a, b, c = (x.astype(jnp.float32) for x in chunk)
        scores = jnp.einsum("inh,jnh->ijn", a, b) * factors
        out = jnp.einsum("ijn,jnd->ind", scores, c) + powers[1:, :, None] * jnp.einsum("inh,nhd->ind", a, S)
        S = powers[C][:, None, None] * S + jnp.einsum("jnh,jnd->nhd", powers[:C][::-1, :, None] * b, c)
        return S, (out / H**0.5).astype(q.dtype)

    out = jax.lax.scan(turn, jnp.zeros((N, H, v.shape[-1])), (cut(q), cut(k), cut(v)))[1]
    return out.reshape(-1, N, v.shape[-1])[:T]


def banded_attention(q, k, v, alpha, band):
    T, N, H = q.shape
    band = min(band, T - 1)
    q, k, values = (x.astype(jnp.float32) for x in (q, k, v))
    k, values = (jnp.pad(x, ((band, band), (0, 0), (0, 0))) for x in (k, values))

    def meet(carry, offset):
        top, total, out = carry
        keys, others = (jax.lax.dynamic_slice_in_dim(x, band + offset, T) for x in (k, values))
        place = jnp.arange(T)[:, None] + offset
        scores = (q * keys).sum(-1) / H**0.5 - alpha * jnp.abs(offset)
        scores = jnp.where((place >= 0) & (place < T), scores, -jnp.inf)
        higher = jax.lax.stop_gradient(jnp.maximum(top, scores))
        shrink, power = jnp.exp(top - higher), jnp.exp(scores - higher)
        return (higher, total * shrink + power, out * shrink[..., None] + power[..., None] * others), None

    # the token itself comes first, so that no maximum is ever -inf
    offsets = jnp.concatenate([jnp.arange(band + 1), -jnp.arange(1, band + 1)])
    start = jnp.full((T, N), -jnp.inf), jnp.zeros((T, N)), jnp.zeros((T, N, H))
    (_, total, out), _ = jax.lax.scan(meet, start, offsets)
    return (out / total[..., None]).astype(v.dtype)
