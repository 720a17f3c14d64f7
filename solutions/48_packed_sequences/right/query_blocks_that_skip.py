"""Blocks of queries by lax.map, blocks of keys inside; blocks that share no sequence are skipped. Numbers by one search a row, attention as a loop over sequences with a mask each."""

import jax
import jax.numpy as jnp


def segment_ids(cu_seqlens, total):
    def owner(row):
        ended = cu_seqlens[1:] <= row
        return jnp.where(ended.all(), len(cu_seqlens) - 1, jnp.argmin(ended))

    return jax.vmap(owner)(jnp.arange(total)).astype(jnp.int32)


def packed_attention(q, k, v, cu_seqlens, causal=False):
    total, _, width = q.shape
    row = jnp.arange(total)
    out = jnp.zeros(q.shape, jnp.float32)
    scores = jnp.einsum("inh,jnh->nij", q, k, preferred_element_type=jnp.float32) / jnp.sqrt(jnp.float32(width))
    for begin, end in zip(cu_seqlens[:-1], cu_seqlens[1:]):
        own = (begin <= row) & (row < end)
        mask = own & (row <= row[:, None]) if causal else jnp.broadcast_to(own, (total, total))
        mask = mask & own[:, None]
        top = jnp.max(scores, axis=-1, keepdims=True, where=mask, initial=-1e38)
        powers = jnp.exp(jnp.where(mask, scores - top, -jnp.inf))
        sums = powers.sum(-1, keepdims=True)
        weights = powers / jnp.where(sums == 0, 1, sums)
        out += jnp.einsum("nij,jnh->inh", weights, v, preferred_element_type=jnp.float32)
    return out.astype(q.dtype)


def packed_blockwise_attention(q, k, v, cu_seqlens, block_size, causal=False):
    total, heads, width = q.shape
    nobody = len(cu_seqlens) - 1

    def tiles(x, fill=0):
        padded = jnp.pad(x, [(0, -total % block_size)] + [(0, 0)] * (x.ndim - 1), constant_values=fill)
        return padded.reshape(-1, block_size, *x.shape[1:])

    owner = segment_ids(cu_seqlens, total)
    keys, values, owners, rows = tiles(k), tiles(v), tiles(owner, nobody), tiles(jnp.arange(total), total)

    def one_query_tile(tile):
        query, its_owner, its_row = tile

        def fold(b, carry):
            top, sums, out = carry
            mask = (its_owner[:, None] == owners[b]) & (owners[b] < nobody)
            if causal:
                mask &= its_row[:, None] >= rows[b]
            s = jnp.einsum("inh,jnh->nij", query, keys[b], preferred_element_type=jnp.float32) / jnp.sqrt(jnp.float32(width))
            s = jnp.where(mask, s, -jnp.inf)
            high = jax.lax.stop_gradient(jnp.maximum(top, s.max(-1)))
            base = jnp.nan_to_num(high, neginf=0.0)
            p, shrink = jnp.exp(s - base[..., None]), jnp.exp(top - base)
            new = jnp.einsum("nij,jnh->nih", p, values[b].astype(jnp.float32))
            return high, shrink * sums + p.sum(-1), shrink[..., None] * out + new

        def maybe(b, carry):
            meets = (owners[b][0] <= its_owner[-1]) & (owners[b][-1] >= its_owner[0])
            meets = meets & (rows[b][0] <= its_row[-1]) if causal else meets
            return jax.lax.cond(meets, lambda c: fold(b, c), lambda c: c, carry)

        begin = jnp.full((heads, block_size), -jnp.inf), jnp.zeros((heads, block_size)), jnp.zeros((heads, block_size, width))
        _, sums, out = jax.lax.fori_loop(0, len(keys), maybe, begin)
        return jnp.swapaxes(out / jnp.where(sums == 0, 1.0, sums)[..., None], 0, 1)

    out = jax.lax.map(one_query_tile, (tiles(q), owners, rows))
    return out.reshape(-1, heads, width)[:total].astype(q.dtype)
