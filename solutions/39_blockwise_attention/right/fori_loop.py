"""fori_loop with dynamic_slice over padded arrays, one statistic per query, and a large negative number instead of -inf."""

import math

import jax
import jax.numpy as jnp

HIDDEN = -1e30


def blockwise_attention(q, k, v, block_size, causal=False):
    t_q, t_k = q.shape[0], k.shape[0]
    blocks = math.ceil(t_k / block_size)
    extra = blocks * block_size - t_k
    k = jnp.pad(k, [(0, extra), (0, 0)])
    v = jnp.pad(v, [(0, extra), (0, 0)])
    query_at = jnp.arange(t_q) + t_k - t_q

    def body(b, carry):
        m, l, acc = carry
        k_b = jax.lax.dynamic_slice(k, (b * block_size, 0), (block_size, k.shape[1]))
        v_b = jax.lax.dynamic_slice(v, (b * block_size, 0), (block_size, v.shape[1]))
        s = jnp.einsum("id,jd->ij", q, k_b, preferred_element_type=jnp.float32) * (1 / math.sqrt(q.shape[1]))
        key_at = b * block_size + jnp.arange(block_size)
        mask = jnp.broadcast_to(key_at < t_k, s.shape)
        if causal:
            mask &= key_at <= query_at[:, None]
        s = jnp.where(mask, s, HIDDEN)
        m_new = jnp.maximum(m, s.max(axis=1))
        p = jnp.where(mask, jnp.exp(s - m_new[:, None]), 0.0)
        alpha = jnp.exp(m - m_new)
        l = l * alpha + p.sum(axis=1)
        acc = acc * alpha[:, None] + jnp.einsum("ij,jf->if", p.astype(v.dtype), v_b, preferred_element_type=jnp.float32)
        return m_new, l, acc

    carry = (jnp.full((t_q,), HIDDEN, jnp.float32), jnp.zeros((t_q,), jnp.float32), jnp.zeros((t_q, v.shape[1]), jnp.float32))
    _, l, acc = jax.lax.fori_loop(0, blocks, body, carry)
    return (acc / jnp.where(l == 0, 1, l)[:, None]).astype(q.dtype)
