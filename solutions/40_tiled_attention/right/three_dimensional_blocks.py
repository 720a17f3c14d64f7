"""Blocks keep their head axis of length 1, and are rounded up to powers of two of at least 16; the keys are upcast, hidden scores are a large negative number, and padded lengths are found by `cdiv`."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

HIDDEN = -1e30


def attend(q_ref, k_ref, v_ref, o_ref, *, block_k, offset, t_k, causal):
    _, block_q, width = q_ref.shape
    q = q_ref[0].astype(jnp.float32)
    row = pl.program_id(1) * block_q + lax.broadcasted_iota(jnp.int32, (block_q, block_k), 0)

    def body(j, carry):
        m, l, acc = carry
        k = k_ref[0, pl.dslice(j * block_k, block_k), :].astype(jnp.float32)
        v = v_ref[0, pl.dslice(j * block_k, block_k), :].astype(jnp.float32)
        column = j * block_k + lax.broadcasted_iota(jnp.int32, (block_q, block_k), 1)
        mask = column < t_k
        if causal:
            mask = jnp.logical_and(mask, column <= row + offset)
        s = jnp.where(mask, jnp.dot(q, k.T), HIDDEN)
        m_new = jnp.maximum(m, jnp.max(s, axis=-1))
        # A row that has seen nothing yet has the maximum HIDDEN, and exp(HIDDEN - HIDDEN) would be 1.
        p = jnp.where(mask, jnp.exp(s - m_new[:, None]), 0.0)
        alpha = jnp.exp(m - m_new)
        return m_new, alpha * l + jnp.sum(p, axis=-1), alpha[:, None] * acc + jnp.dot(p, v)

    count = k_ref.shape[1] // block_k
    if causal:
        count = jnp.maximum(0, jnp.minimum(count, ((pl.program_id(1) + 1) * block_q + offset + block_k - 1) // block_k))
    start = jnp.full(block_q, HIDDEN, jnp.float32), jnp.zeros(block_q, jnp.float32), jnp.zeros((block_q, width), jnp.float32)
    _, l, acc = lax.fori_loop(0, count, body, start)
    o_ref[0] = jnp.where(l[:, None] > 0, acc / jnp.where(l > 0, l, 1.0)[:, None], 0.0).astype(o_ref.dtype)


def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    n, t_q, h = q.shape
    t_k = k.shape[1]
    block_q, block_k = (max(16, pl.next_power_of_2(min(block, t))) for block, t in ((block_q, t_q), (block_k, t_k)))
    rows, columns = pl.cdiv(t_q, block_q) * block_q, pl.cdiv(t_k, block_k) * block_k
    q = jnp.zeros((n, rows, h), q.dtype).at[:, :t_q].set((q.astype(jnp.float32) / h ** 0.5).astype(q.dtype))
    k = jnp.zeros((n, columns, h), k.dtype).at[:, :t_k].set(k)
    v = jnp.zeros((n, columns, h), v.dtype).at[:, :t_k].set(v)
    out = pl.pallas_call(
        functools.partial(attend, block_k=block_k, offset=t_k - t_q, t_k=t_k, causal=causal),
        out_shape=jax.ShapeDtypeStruct((n, rows, h), q.dtype),
        grid=(n, rows // block_q),
        in_specs=[
            pl.BlockSpec((1, block_q, h), lambda b, i: (b, i, 0)),
            pl.BlockSpec((1, columns, h), lambda b, i: (b, 0, 0)),
            pl.BlockSpec((1, columns, h), lambda b, i: (b, 0, 0)),
        ],
        out_specs=pl.BlockSpec((1, block_q, h), lambda b, i: (b, i, 0)),
        interpret=interpret,
    )(q, k, v)
    return out[:, :t_q]
