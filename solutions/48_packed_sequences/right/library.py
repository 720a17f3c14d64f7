"""The library's attention under a mask; a running sum of ones for the numbers. Blockwise: heads by vmap, each block an attention of its own that is merged by its logarithm."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

LOW = -0.7 * float(jnp.finfo(jnp.float32).max)


def segment_ids(cu_seqlens, total):
    ends = jnp.zeros(total + 1, jnp.int32).at[cu_seqlens[1:]].add(1)
    return jnp.cumsum(ends)[:total]


def packed_attention(q, k, v, cu_seqlens, causal=False):
    owner = segment_ids(cu_seqlens, len(q))
    real = owner < len(cu_seqlens) - 1
    mask = (owner[:, None] == owner) & real
    clear = lambda x: jnp.where(real[:, None, None], x, 0)
    out = jax.nn.dot_product_attention(clear(q), clear(k), clear(v), mask=mask[None, None], is_causal=causal)
    return clear(out)


def attend(q, k, v, mask):
    scores = jax.lax.dot_general(q, k, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32) * q.shape[1] ** -0.5
    scores = jnp.where(mask, scores, LOW)
    some = mask.any(1)
    lse = jnp.where(some, logsumexp(scores, axis=1), LOW)
    weights = jnp.where(mask, jnp.exp(scores - jnp.where(some, lse, 0)[:, None]), 0)
    return jnp.dot(weights, v, preferred_element_type=jnp.float32), lse


def merge(one, other):
    (a, lse_a), (b, lse_b) = one, other
    lse = jnp.logaddexp(lse_a, lse_b)
    both = jnp.stack([lse_a, lse_b])
    share = jnp.where(both > LOW, jnp.exp(both - lse), 0)[..., None]
    return a * share[0] + b * share[1], jnp.where(lse > LOW / 2, lse, LOW)


@partial(jax.jit, static_argnames=("block_size", "causal"))
def packed_blockwise_attention(q, k, v, cu_seqlens, block_size, causal=False):
    total, nobody = len(q), len(cu_seqlens) - 1
    owner, row = segment_ids(cu_seqlens, total), jnp.arange(total)
    short = -total % block_size

    def one_head(q, k, v):
        def step(carry, block):
            keys, values, its, at = block
            mask = (owner[:, None] == its) & (its != nobody)
            mask = mask & (at <= row[:, None]) if causal else mask
            return merge(carry, attend(q, keys, values, mask)), ()

        cut = lambda x, fill=0: jnp.pad(x, [(0, short)] + [(0, 0)] * (x.ndim - 1), constant_values=fill).reshape(-1, block_size, *x.shape[1:])
        begin = jnp.zeros(q.shape), jnp.full(total, LOW)
        (out, _), _ = jax.lax.scan(step, begin, (cut(k), cut(v), cut(owner, nobody), cut(row)))
        return out.astype(q.dtype)

    return jax.vmap(one_head, in_axes=1, out_axes=1)(q, k, v)
