"""A grid of one axis, taken apart in the index maps; the state is an average and a log-sum-exp, so that every step leaves a finished answer."""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl


def merge_block(state, scores, values):
    """The average over more keys: the old one and the block's own, weighted by their shares."""
    average, lse = state
    top = jnp.maximum(scores.max(axis=1, keepdims=True), -1e30)
    powers = jnp.exp(scores - top)
    total = powers.sum(axis=1, keepdims=True)
    block = jnp.dot(powers.astype(values.dtype), values, preferred_element_type=jnp.float32) / jnp.where(total == 0, 1, total)
    block_lse = jnp.where(total == 0, -1e30, top + jnp.log(jnp.where(total == 0, 1, total)))
    highest = jnp.maximum(lse, block_lse)
    old, new = jnp.exp(lse - highest), jnp.exp(block_lse - highest)
    return (old * average + new * block) / (old + new), highest + jnp.log(old + new)


def kernel(q_ref, k_ref, v_ref, o_ref, *, query_blocks, block_k, t_q, t_k, causal):
    block_q, width = q_ref.shape
    block = jax.lax.rem(pl.program_id(0), query_blocks)
    query = block * block_q + (t_k - t_q) + jax.lax.broadcasted_iota(jnp.int32, (block_q, block_k), 0)
    q = q_ref[...]

    def body(i, state):
        k, v = k_ref[pl.ds(i * block_k, block_k)], v_ref[pl.ds(i * block_k, block_k)]
        key = i * block_k + jax.lax.broadcasted_iota(jnp.int32, (block_q, block_k), 1)
        hidden = key >= t_k
        if causal:
            hidden |= key > query
        scores = jnp.einsum("qh,kh->qk", q, k, preferred_element_type=jnp.float32) / width ** 0.5
        return merge_block(state, jnp.where(hidden, -jnp.inf, scores), v)

    end = pl.cdiv(t_k, block_k)
    if causal:
        end = jax.lax.min(end, jax.lax.div(jax.lax.max((block + 1) * block_q + (t_k - t_q), 0) + (block_k - 1), block_k))
    empty = jnp.zeros((block_q, width), jnp.float32), jnp.full((block_q, 1), -1e30, jnp.float32)
    average, _ = jax.lax.fori_loop(0, end, body, empty)
    o_ref[...] = average.astype(o_ref.dtype)


def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    heads, t_q, width = q.shape
    t_k = k.shape[1]
    if block_q > t_q:
        block_q = max(16, pl.next_power_of_2(t_q))
    if block_k > t_k:
        block_k = max(16, pl.next_power_of_2(t_k))
    q = jnp.pad(q, [(0, 0), (0, -t_q % block_q), (0, 0)])
    k, v = (jnp.pad(x, [(0, 0), (0, -t_k % block_k), (0, 0)]) for x in (k, v))
    blocks = q.shape[1] // block_q
    at = pl.BlockSpec((None, block_q, width), lambda i: (i // blocks, i % blocks, 0))
    of_head = pl.BlockSpec((None, k.shape[1], width), lambda i: (i // blocks, 0, 0))
    body = functools.partial(kernel, query_blocks=blocks, block_k=block_k, t_q=t_q, t_k=t_k, causal=causal)
    return pl.pallas_call(body, grid=heads * blocks, in_specs=[at, of_head, of_head], out_specs=at,
                          out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype), interpret=interpret)(q, k, v)[:, :t_q]
