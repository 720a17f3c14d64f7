"""Everything is an einsum; the chunks are cut by dynamic slices in a fori_loop, and written where they belong."""

import jax
import jax.numpy as jnp


def features(x):
    x = x.astype(jnp.float32)
    return jnp.where(x > 0, x + 1, jnp.exp(jnp.minimum(x, 0)))


def linear_attention(q, k, v):
    fq, fk = features(q), features(k)
    kv = jnp.einsum("kd,ke->de", fk, v, preferred_element_type=jnp.float32)
    norm = jnp.einsum("qd,kd->q", fq, fk)
    return jnp.einsum("qd,de,q->qe", fq, kv, 1 / norm).astype(v.dtype)


def linear_attention_step(state, q, k, v):
    S, z = state
    fq, fk = features(q), features(k)
    S = S + jnp.einsum("d,e->de", fk, v.astype(jnp.float32))
    z = z + fk
    out = jnp.einsum("d,de->e", fq, S) / jnp.einsum("d,d->", fq, z)
    return (S, z), out.astype(q.dtype)


def causal_linear_attention(q, k, v, chunk_size):
    (T, d_k), d_v = q.shape, v.shape[1]
    C = min(chunk_size, T)
    n = (T + C - 1) // C
    pad = [(0, n * C - T), (0, 0)]
    Q, K, V = jnp.pad(q, pad), jnp.pad(k, pad), jnp.pad(v, pad)
    causal = jnp.arange(C)[:, None] >= jnp.arange(C)

    def body(i, carry):
        S, z, out = carry
        a, b, c = (jax.lax.dynamic_slice_in_dim(rows, i * C, C) for rows in (Q, K, V))
        a, b, c = features(a), features(b), c.astype(jnp.float32)
        scores = jnp.where(causal, jnp.einsum("id,jd->ij", a, b), 0)
        top = jnp.einsum("ij,je->ie", scores, c) + jnp.einsum("id,de->ie", a, S)
        bottom = jnp.einsum("ij->i", scores) + jnp.einsum("id,d->i", a, z)
        out = jax.lax.dynamic_update_slice_in_dim(out, top / bottom[:, None], i * C, axis=0)
        return S + jnp.einsum("jd,je->de", b, c), z + jnp.einsum("jd->d", b), out

    start = jnp.zeros((d_k, d_v)), jnp.zeros(d_k), jnp.zeros((n * C, d_v))
    return jax.lax.fori_loop(0, n, body, start)[2][:T].astype(q.dtype)
