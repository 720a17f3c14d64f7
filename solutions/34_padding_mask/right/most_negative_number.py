"""The most negative float in place of the hidden scores: a row without a key averages everything, and is set to zero at the end."""

import jax
import jax.numpy as jnp
from einops import rearrange


def padding_mask(lengths, max_len):
    return jnp.subtract.outer(lengths, jnp.arange(max_len)) > 0


def bidirectional_attention(q, k, v, num_heads, mask=None):
    return _attention(q, k, v, num_heads, mask, causal=False)


def causal_attention(q, k, v, num_heads, mask=None):
    return _attention(q, k, v, num_heads, mask, causal=True)


def _attention(q, k, v, num_heads, mask, causal):
    q, k, v = (rearrange(x, "b t (n h) -> b n t h", n=num_heads) for x in (q, k, v))
    length = q.shape[2]
    visible = jnp.ones((1, 1, length, length), bool)
    if causal:
        visible = jnp.tril(visible)
    if mask is not None:
        visible = visible & rearrange(mask, "b t -> b 1 1 t")
    scores = jnp.einsum("bnih,bnjh->bnij", q * q.shape[-1] ** -0.5, k)
    weights = jax.nn.softmax(jnp.where(visible, scores, jnp.finfo(scores.dtype).min), axis=-1)
    heads = jnp.einsum("bnij,bnjh->bnih", weights, v)
    return rearrange(jnp.where(visible.any(-1, keepdims=True), heads, 0), "b n t h -> b t (n h)")
