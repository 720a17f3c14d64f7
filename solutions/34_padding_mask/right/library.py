"""The library's own attention, which wants `(B, T, N, H)`; it averages where nothing is visible, so that those rows become zeros afterwards."""

import jax
import jax.numpy as jnp


def padding_mask(lengths, max_len):
    # Row n of this table is the mask of a sequence of length n.
    return jnp.tri(max_len + 1, max_len, -1, dtype=bool)[lengths]


def bidirectional_attention(q, k, v, num_heads, mask=None):
    return library(q, k, v, num_heads, mask, False)


def causal_attention(q, k, v, num_heads, mask=None):
    return library(q, k, v, num_heads, mask, True)


def library(q, k, v, num_heads, mask, is_causal):
    split = (jnp.stack(jnp.split(x, num_heads, axis=-1), axis=2) for x in (q, k, v))
    if mask is None:
        return jax.nn.dot_product_attention(*split, is_causal=is_causal).reshape(q.shape)
    output = jax.nn.dot_product_attention(*split, mask=mask[:, None, None, :], is_causal=is_causal).reshape(q.shape)
    seen = jnp.logical_or.accumulate(mask, axis=1) if is_causal else mask.any(axis=1, keepdims=True)
    return jnp.where(seen[..., None], output, 0.0)
