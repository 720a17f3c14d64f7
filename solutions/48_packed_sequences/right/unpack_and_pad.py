"""Unpacked into a padded batch, attended to, and packed again; numbers by repeating. Blockwise: one query at a time, all heads and rows by vmap, with the blocks of keys in a scan."""

import einops
import jax
import jax.numpy as jnp


def segment_ids(cu_seqlens, total):
    lengths = jnp.diff(cu_seqlens, append=total)
    return jnp.repeat(jnp.arange(len(cu_seqlens), dtype=jnp.int32), lengths, total_repeat_length=total)


def packed_attention(q, k, v, cu_seqlens, causal=False):
    total = q.shape[0]
    begins, lengths = cu_seqlens[:-1], jnp.diff(cu_seqlens)
    place = jnp.arange(total)
    real = place < lengths[:, None]
    take = jnp.where(real, begins[:, None] + place, total)
    batch = [x.at[take].get(mode="fill", fill_value=0) for x in (q, k, v)]
    scores = einops.einsum(*batch[:2], "b i n h, b j n h -> b n i j").astype(jnp.float32) / jnp.sqrt(q.shape[-1])
    mask = real[:, None, None, :] & real[:, None, :, None]
    mask = mask & (place <= place[:, None]) if causal else mask
    weights = jax.nn.softmax(scores, axis=-1, where=jnp.broadcast_to(mask, scores.shape))
    out = einops.einsum(weights.astype(q.dtype), batch[2], "b n i j, b j n h -> b i n h")
    return jnp.zeros_like(q).at[take].set(out.astype(q.dtype), mode="drop")


def packed_blockwise_attention(q, k, v, cu_seqlens, block_size, causal=False):
    total, heads, width = q.shape
    blocks = -(-total // block_size)
    wide = jnp.concatenate([k, v, jnp.ones((total, heads, 1), v.dtype)], axis=2).astype(jnp.float32)
    wide = jnp.pad(wide, ((0, blocks * block_size - total), (0, 0), (0, 0)))
    wide = einops.rearrange(wide, "(c b) n f -> n c b f", b=block_size)
    places = jnp.arange(blocks * block_size).reshape(blocks, block_size)
    owner = segment_ids(cu_seqlens, total)
    first = cu_seqlens[owner]
    # behind what a query sees: its sequence's end, or its own row; nothing where nobody owns it
    behind = jnp.append(cu_seqlens, cu_seqlens[-1])[owner + 1]
    behind = jnp.minimum(behind, jnp.arange(total) + 1) if causal else behind

    def one(query, first, behind, rows):
        def step(carry, block):
            top, sums = carry
            row, at = block
            seen = (first <= at) & (at < behind)
            s = jnp.where(seen, row[:, :width] @ query, -jnp.inf)
            now = jnp.maximum(top, s.max())
            base = jnp.where(now == -jnp.inf, 0.0, now)
            return (now, jnp.exp(top - base) * sums + jnp.exp(s - base) @ row[:, width:]), None

        (_, sums), _ = jax.lax.scan(step, (-jnp.inf, jnp.zeros(width + 1)), (rows, places))
        return sums[:-1] / jnp.where(sums[-1] > 0, sums[-1], 1.0)

    each_row = jax.vmap(one, in_axes=(0, 0, 0, None))
    each_head = jax.vmap(each_row, in_axes=(1, None, None, 0), out_axes=1)
    return each_head(q.astype(jnp.float32) / width ** 0.5, first, behind, wide).astype(q.dtype)
