"""One mask of numbers of sequences, made of sums of comparisons; the softmax by hand. Blockwise: a fori_loop over padded arrays, -1e30 for hidden."""

import math

import jax
import jax.numpy as jnp

HIDDEN = -1e30


def segment_ids(cu_seqlens, total):
    return (jnp.arange(total)[:, None] >= cu_seqlens[1:]).sum(axis=1, dtype=jnp.int32)


def packed_attention(q, k, v, cu_seqlens, causal=False):
    ids = segment_ids(cu_seqlens, len(q))
    real = ids < cu_seqlens.shape[0] - 1
    mask = (ids[:, None] == ids[None, :]) & real[:, None] & real[None, :]
    if causal:
        mask = jnp.tril(mask)
    q, k, v32 = (jnp.swapaxes(x, 0, 1).astype(jnp.float32) for x in (q, k, v))
    scores = jnp.where(mask, q @ k.swapaxes(1, 2) / math.sqrt(q.shape[2]), HIDDEN)
    powers = jnp.where(mask, jnp.exp(scores - scores.max(axis=2, keepdims=True)), 0)
    total = powers.sum(axis=2, keepdims=True)
    return jnp.swapaxes(powers @ v32 / jnp.where(total > 0, total, 1), 0, 1).astype(v.dtype)


def packed_blockwise_attention(q, k, v, cu_seqlens, block_size, causal=False):
    total, heads, width = q.shape
    blocks = math.ceil(total / block_size)
    ids = segment_ids(cu_seqlens, blocks * block_size)
    ids = jnp.where(ids == len(cu_seqlens) - 1, -1, ids)
    fill = [(0, blocks * block_size - total), (0, 0), (0, 0)]
    k, v = jnp.pad(k, fill), jnp.pad(v, fill)
    mine, row = ids[:total], jnp.arange(total)
    mine = jnp.where(mine == -1, -2, mine)

    def body(b, carry):
        m, l, acc = carry
        at = b * block_size
        k_b = jax.lax.dynamic_slice_in_dim(k, at, block_size)
        v_b = jax.lax.dynamic_slice_in_dim(v, at, block_size)
        ids_b = jax.lax.dynamic_slice_in_dim(ids, at, block_size)
        s = jnp.einsum("inh,jnh->inj", q, k_b, preferred_element_type=jnp.float32) * (1 / math.sqrt(width))
        mask = mine[:, None] == ids_b
        if causal:
            mask &= at + jnp.arange(block_size) <= row[:, None]
        mask = mask[:, None]
        s = jnp.where(mask, s, HIDDEN)
        m_new = jnp.maximum(m, s.max(axis=2))
        p = jnp.where(mask, jnp.exp(s - m_new[..., None]), 0.0)
        alpha = jnp.exp(m - m_new)
        acc = acc * alpha[..., None] + jnp.einsum("inj,jnh->inh", p.astype(v.dtype), v_b, preferred_element_type=jnp.float32)
        return m_new, l * alpha + p.sum(axis=2), acc

    begin = jnp.full((total, heads), HIDDEN, jnp.float32), jnp.zeros((total, heads)), jnp.zeros((total, heads, width))
    _, l, acc = jax.lax.fori_loop(0, blocks, body, begin)
    return (acc / jnp.where(l == 0, 1, l)[..., None]).astype(q.dtype)
