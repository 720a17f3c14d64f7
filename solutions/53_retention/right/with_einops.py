"""einops for every change of shape. Within a chunk there is a state for each of its own tokens, which is as large as the
chunk; blocks of the band stand between their neighbours."""

import jax
import jax.numpy as jnp
from einops import einsum, rearrange, repeat


def wide(x):
    return x.astype("float32")


def retention(q, k, v, log_decay):
    place = jnp.arange(len(q))
    back = rearrange(place, "i -> i 1") - rearrange(place, "j -> 1 j")
    decay = jnp.exp(rearrange(log_decay, "n -> n 1 1") * jnp.clip(back, 0)) * (back >= 0)
    scores = einsum(wide(q), wide(k), "i n h, j n h -> n i j") / q.shape[-1] ** 0.5
    return einsum(scores * decay, wide(v), "n i j, j n d -> i n d").astype(q.dtype)


def retention_step(state, q, k, v, log_decay):
    fade = repeat(jnp.exp(log_decay), "n -> n h d", h=k.shape[-1], d=v.shape[-1])
    state = fade * state + rearrange(wide(k), "n h -> n h 1") * rearrange(wide(v), "n d -> n 1 d")
    return state, einsum(wide(q) / q.shape[-1] ** 0.5, state, "n h, n h d -> n d").astype(q.dtype)


def chunked_retention(q, k, v, log_decay, chunk_size):
    length, size = len(q), min(chunk_size, len(q))

    def cut(x):
        return rearrange(jnp.pad(x, ((0, -length % size), (0, 0), (0, 0))), "(c s) n h -> c s n h", s=size)

    def turn(state, chunk):
        a, b, c = map(wide, chunk)
        outer = einsum(b, c, "s n h, s n d -> s n h d")
        # each token's own state, the ones before it added by a small triangle
        back = jnp.arange(size)[:, None] - jnp.arange(size)
        decay = jnp.where(back >= 0, jnp.exp(log_decay[:, None, None] * jnp.maximum(back, 0)), 0)
        states = einsum(decay, outer, "n i j, j n h d -> i n h d")
        fade = jnp.exp(jnp.outer(jnp.arange(1, size + 1), log_decay))
        states = states + einsum(fade, state, "i n, n h d -> i n h d")
        return states[-1], (einsum(a, states, "i n h, i n h d -> i n d") / q.shape[-1] ** 0.5).astype(q.dtype)

    start = jnp.zeros((*q.shape[1:], v.shape[-1]))
    return rearrange(jax.lax.scan(turn, start, (cut(q), cut(k), cut(v)))[1], "c s n d -> (c s) n d")[:length]


def banded_attention(q, k, v, alpha, band):
    length = len(q)
    size = max(min(band, length), 1)
    more = -length % size

    def cut(x):
        return rearrange(jnp.pad(wide(x), ((0, more), (0, 0), (0, 0))), "(b s) n h -> b s n h", s=size)

    def between(x):
        none = jnp.zeros_like(x[:1])
        before, after = jnp.concatenate([none, x[:-1]]), jnp.concatenate([x[1:], none])
        return jnp.concatenate([before, x, after], axis=1)

    blocks = (length + more) // size
    i = jnp.arange(blocks)[:, None] * size + jnp.arange(size)
    j = (jnp.arange(blocks)[:, None] - 1) * size + jnp.arange(3 * size)
    away = jnp.abs(rearrange(i, "b i -> b i 1") - rearrange(j, "b j -> b 1 j"))
    # padding sees padding, so that no query sees nothing
    known = rearrange(j >= 0, "b j -> b 1 j") & (
        rearrange(j < length, "b j -> b 1 j") | rearrange(i >= length, "b i -> b i 1")
    )
    scores = einsum(cut(q), between(cut(k)), "b i n h, b j n h -> n b i j") / q.shape[-1] ** 0.5
    scores = scores - rearrange(alpha, "n -> n 1 1 1") * away
    weights = jax.nn.softmax(jnp.where(known & (away <= band), scores, -1e30), axis=-1)
    out = einsum(weights, between(cut(v)), "n b i j, b j n h -> b i n h")
    return rearrange(out, "b i n h -> (b i) n h")[:length].astype(q.dtype)
