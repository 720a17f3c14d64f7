"""Everything is an einsum. Chunks are cut by dynamic slices in a fori_loop; the band is a Python loop over distances,
each of which takes the pairs that are there."""

import jax
import jax.numpy as jnp


def decays(log_decay, T):
    back = jnp.arange(T)[:, None] - jnp.arange(T)[None, :]
    # exp(-inf) is 0
    return jnp.exp(jnp.where(back < 0, -jnp.inf, log_decay[:, None, None] * back))


def retention(q, k, v, log_decay):
    q, k, values = (x.astype(jnp.float32) for x in (q, k, v))
    scores = jnp.einsum("ind,jnd,nij->nij", q, k, decays(log_decay, len(q)))
    return (jnp.einsum("nij,jne->ine", scores, values) * q.shape[-1] ** -0.5).astype(v.dtype)


def retention_step(state, q, k, v, log_decay):
    state = jnp.einsum("n,nhd->nhd", jnp.exp(log_decay), state)
    state = state + jnp.einsum("nh,nd->nhd", k.astype(jnp.float32), v.astype(jnp.float32))
    return state, jnp.einsum("nh,nhd->nd", q.astype(jnp.float32) * q.shape[-1] ** -0.5, state).astype(q.dtype)


def chunked_retention(q, k, v, log_decay, chunk_size):
    (T, N, H), d_v = q.shape, v.shape[-1]
    C = min(chunk_size, T)
    n = (T + C - 1) // C
    Q, K, V = (jnp.pad(x, [(0, n * C - T), (0, 0), (0, 0)]) for x in (q, k, v))
    inner = decays(log_decay, C)
    ahead = jnp.exp(jnp.einsum("c,n->cn", jnp.arange(1, C + 1), log_decay))
    behind = jnp.exp(jnp.einsum("c,n->cn", jnp.arange(C)[::-1], log_decay))

    def body(i, carry):
        S, out = carry
        a, b, c = (jax.lax.dynamic_slice_in_dim(x, i * C, C).astype(jnp.float32) for x in (Q, K, V))
        a = a / H**0.5
        near = jnp.einsum("ind,jnd,nij,jne->ine", a, b, inner, c)
        far = jnp.einsum("ind,in,nde->ine", a, ahead, S)
        out = jax.lax.dynamic_update_slice_in_dim(out, near + far, i * C, axis=0)
        return ahead[-1][:, None, None] * S + jnp.einsum("jnd,jn,jne->nde", b, behind, c), out

    start = jnp.zeros((N, H, d_v)), jnp.zeros((n * C, N, d_v))
    return jax.lax.fori_loop(0, n, body, start)[1][:T].astype(q.dtype)


def banded_attention(q, k, v, alpha, band):
    T, N, H = q.shape
    q, k, values = (x.astype(jnp.float32) for x in (q, k, v))
    offsets = range(-min(band, T - 1), min(band, T - 1) + 1)
    pairs = {d: (slice(max(-d, 0), T - max(d, 0)), slice(max(d, 0), T - max(-d, 0))) for d in offsets}
    top = jnp.full((T, N), -jnp.inf)
    scores = {}
    for d, (at, other) in pairs.items():
        scores[d] = jnp.einsum("inh,inh->in", q[at], k[other]) / H**0.5 - alpha * abs(d)
        top = top.at[at].max(jax.lax.stop_gradient(scores[d]))
    total, out = jnp.zeros((T, N)), jnp.zeros((T, N, H))
    for d, (at, other) in pairs.items():
        power = jnp.exp(scores[d] - top[at])
        total, out = total.at[at].add(power), out.at[at].add(power[..., None] * values[other])
    return (out / total[..., None]).astype(v.dtype)
