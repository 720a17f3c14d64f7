"""A checkpointed scan over whole blocks, and the rest of the pack as a step of its own, without padding; finished averages are carried. Batched attention by vmap over heads."""

import jax
import jax.numpy as jnp


def segment_ids(cu_seqlens, total):
    marks = jax.ops.segment_sum(jnp.ones_like(cu_seqlens[1:]), cu_seqlens[1:], num_segments=total + 1)
    return jax.lax.cumsum(marks)[:total]


def mask_of(owner, row, owners, rows, nobody, causal):
    owned = jnp.not_equal(owners, nobody)
    same = jnp.logical_and(jnp.equal(owner[:, None], owners[None]), owned[None])
    return jnp.logical_and(same, row[:, None] >= rows[None]) if causal else same


def packed_attention(q, k, v, cu_seqlens, causal=False):
    owner, row = segment_ids(cu_seqlens, len(q)), jnp.arange(len(q))
    mask = mask_of(owner, row, owner, row, len(cu_seqlens) - 1, causal)

    @jax.vmap
    def one_head(q, k, v):
        logits = jnp.matmul(q, k.T, preferred_element_type=jnp.float32) * jax.lax.rsqrt(jnp.float32(q.shape[-1]))
        # rows that see nothing get some finite scores, and zeros at the end
        logits = jnp.where(mask.any(-1, keepdims=True), jnp.where(mask, logits, -jnp.inf), 0.0)
        weights = jnp.where(mask, jax.nn.softmax(logits), 0.0)
        return jnp.matmul(weights, v.astype(jnp.float32))

    out = one_head(*(jnp.moveaxis(x, 1, 0) for x in (q, k, v)))
    return jnp.moveaxis(out, 0, 1).astype(q.dtype)


def packed_blockwise_attention(q, k, v, cu_seqlens, block_size, causal=False):
    total, heads, width = q.shape
    whole, nobody = total // block_size, cu_seqlens.size - 1
    owner, row = segment_ids(cu_seqlens, total), jnp.arange(total)
    scaled = q.astype(jnp.float32) / width ** 0.5

    def fold(carry, block):
        average, weight, top = carry
        keys, values, owners, rows = block
        seen = mask_of(owner, row, owners, rows, nobody, causal)
        scores = jnp.einsum("inh,jnh->nij", scaled, keys.astype(jnp.float32))
        new_top = jnp.maximum(top, jnp.max(scores, axis=-1, where=seen, initial=-jnp.inf))
        finite = jnp.where(jnp.isfinite(new_top), new_top, 0.0)
        powers = jnp.exp(jnp.where(seen, scores - finite[..., None], -jnp.inf))
        old = weight * jnp.exp(top - finite)
        new = old + powers.sum(-1)
        added = jnp.einsum("nij,jnh->nih", powers, values.astype(jnp.float32))
        return (average * old[..., None] + added) / jnp.where(new > 0, new, 1.0)[..., None], new, new_top

    @jax.checkpoint
    def step(carry, block):
        return fold(carry, block), None

    carry = jnp.zeros((heads, total, width)), jnp.zeros((heads, total)), jnp.full((heads, total), -jnp.inf)
    arrays, full = (k, v, owner, row), whole * block_size
    if whole:
        carry, _ = jax.lax.scan(step, carry, [x[:full].reshape(whole, block_size, *x.shape[1:]) for x in arrays])
    if full < total:
        carry = fold(carry, [x[full:] for x in arrays])
    return jnp.moveaxis(carry[0], 0, 1).astype(q.dtype)
