"""No loop at all. The states before all chunks are one product with the factors between chunks; each query of the band
gathers its own keys."""

import jax
import jax.numpy as jnp


def fade(log_decay, back):
    """exp(log_decay * back) in a last axis of heads, 0 where `back` is below 0."""
    return jnp.exp(log_decay * jnp.clip(back, 0)[..., None]) * (back >= 0)[..., None]


def retention(q, k, v, log_decay):
    T = len(q)
    decay = fade(log_decay, jnp.arange(T)[:, None] - jnp.arange(T))
    scores = jnp.einsum("inh,jnh->ijn", q.astype(jnp.float32), k.astype(jnp.float32)) / q.shape[-1] ** 0.5
    return jnp.einsum("ijn,jnd->ind", scores * decay, v.astype(jnp.float32)).astype(q.dtype)


def retention_step(state, q, k, v, log_decay):
    state = jnp.exp(log_decay[:, None, None]) * state + jnp.float32(k)[:, :, None] @ jnp.float32(v)[:, None, :]
    return state, jnp.squeeze(jnp.float32(q)[:, None] @ state / q.shape[-1] ** 0.5, 1).astype(v.dtype)


def chunked_retention(q, k, v, log_decay, chunk_size):
    T = len(q)
    C = min(chunk_size, T)
    a, b, c = (jnp.pad(jnp.float32(x), ((0, -T % C), (0, 0), (0, 0))).reshape(-1, C, *x.shape[1:]) for x in (q, k, v))
    chunk, place = jnp.arange(len(a)), jnp.arange(C)
    own = jnp.einsum("cjnh,jn,cjnd->cnhd", b, fade(log_decay, C - 1 - place), c)
    # from the end of chunk j to the end of chunk i - 1
    between = fade(log_decay * C, chunk[:, None] - 1 - chunk)
    states = jnp.einsum("ijn,jnhd->inhd", between, own)
    near = jnp.einsum("cinh,cjnh->cijn", a, b) * fade(log_decay, place[:, None] - place)
    out = jnp.einsum("cijn,cjnd->cind", near, c)
    out = out + jnp.einsum("cinh,in,cnhd->cind", a, fade(log_decay, place + 1), states)
    return (out.reshape(-1, *v.shape[1:])[:T] / q.shape[-1] ** 0.5).astype(q.dtype)


def banded_attention(q, k, v, alpha, band):
    T, _, H = q.shape
    offset = jnp.arange(-min(band, T), min(band, T) + 1)
    place = jnp.arange(T)[:, None] + offset
    near = jnp.clip(place, 0, T - 1)
    scores = jnp.einsum("inh,iwnh->iwn", jnp.float32(q), jnp.float32(k)[near]) / H**0.5
    scores = scores - jnp.outer(jnp.abs(offset), alpha)
    weights = jax.nn.softmax(scores, axis=1, where=((place >= 0) & (place < T))[..., None])
    return jnp.einsum("iwn,iwnh->inh", weights, jnp.float32(v)[near]).astype(q.dtype)
