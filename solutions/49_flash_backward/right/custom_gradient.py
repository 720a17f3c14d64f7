"""jax.custom_gradient, whose backward pass is a closure over what it keeps; fori_loops that cut out their blocks."""

import math

import jax
import jax.numpy as jnp

f32 = jnp.float32


def cut(x, start, size):
    return jax.lax.dynamic_slice(x, (start, 0), (size, x.shape[1])).astype(f32)


def pad_to(x, length):
    return jnp.pad(x, [(0, length - x.shape[0]), (0, 0)])


def visible(start, size, t_q, t_k, causal):
    j = start + jnp.arange(size)
    mask = jnp.broadcast_to(j < t_k, (t_q, size))
    return mask & (j[None, :] <= jnp.arange(t_q)[:, None] + t_k - t_q) if causal else mask


def flash_forward(q, k, v, block_size, causal=False):
    t_q, t_k = q.shape[0], k.shape[0]
    n = math.ceil(t_k / block_size)
    kp, vp = pad_to(k, n * block_size), pad_to(v, n * block_size)
    qs = q.astype(f32) / math.sqrt(q.shape[1])

    def body(b, carry):
        m, l, acc = carry
        mask = visible(b * block_size, block_size, t_q, t_k, causal)
        s = qs @ cut(kp, b * block_size, block_size).T
        m_new = jnp.maximum(m, jnp.max(s, axis=1, where=mask, initial=-jnp.inf))
        ref = jnp.where(m_new > -jnp.inf, m_new, 0)
        p = jnp.where(mask, jnp.exp(jnp.where(mask, s - ref[:, None], 0)), 0)
        a = jnp.exp(m - ref)
        return m_new, a * l + p.sum(1), a[:, None] * acc + p @ cut(vp, b * block_size, block_size)

    m, l, acc = jax.lax.fori_loop(0, n, body, (jnp.full(t_q, -jnp.inf), jnp.zeros(t_q), jnp.zeros((t_q, v.shape[1]))))
    some = l > 0
    lse = jnp.where(some, m + jnp.log(jnp.where(some, l, 1)), -jnp.inf)
    return (acc / jnp.where(some, l, 1)[:, None]).astype(q.dtype), lse


def flash_attention(q, k, v, block_size, causal=False):
    @jax.custom_gradient
    def attend(q, k, v):
        out, lse = flash_forward(q, k, v, block_size, causal)

        def pull_back(g):
            return gradients(q, k, v, out, lse, g, block_size, causal)

        return out, pull_back

    return attend(q, k, v)


def gradients(q, k, v, out, lse, g, block_size, causal):
    t_q, t_k, scale = q.shape[0], k.shape[0], 1 / math.sqrt(q.shape[1])
    n = math.ceil(t_k / block_size)
    kp, vp = pad_to(k, n * block_size), pad_to(v, n * block_size)
    qf, g = q.astype(f32), g.astype(f32)
    delta = jnp.einsum("id,id->i", g, out.astype(f32))

    def body(b, carry):
        dq, dk, dv = carry
        start = b * block_size
        k_b, v_b = cut(kp, start, block_size), cut(vp, start, block_size)
        mask = visible(start, block_size, t_q, t_k, causal)
        p = jnp.exp(jnp.where(mask, scale * (qf @ k_b.T) - lse[:, None], -jnp.inf))
        ds = p * (g @ v_b.T - delta[:, None])
        dq += scale * (ds @ k_b)
        dk = jax.lax.dynamic_update_slice(dk, scale * (ds.T @ qf), (start, 0))
        dv = jax.lax.dynamic_update_slice(dv, p.T @ g, (start, 0))
        return dq, dk, dv

    zeros = jnp.zeros(q.shape), jnp.zeros(kp.shape), jnp.zeros(vp.shape)
    dq, dk, dv = jax.lax.fori_loop(0, n, body, zeros)
    return dq.astype(q.dtype), dk[:t_k].astype(k.dtype), dv[:t_k].astype(v.dtype)
