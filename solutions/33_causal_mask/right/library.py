"""The library's own attention with an explicit mask, since its `is_causal` is aligned at the start."""

import jax
import jax.numpy as jnp


def causal_mask(t_q, t_k):
    return jnp.subtract.outer(jnp.arange(t_k - t_q, t_k), jnp.arange(t_k)) >= 0


def causal_sdpa(q, k, v):
    # The library wants values as wide as the keys: the narrower ones are padded with zeros.
    width = max(q.shape[-1], v.shape[-1])
    q, k, wide = (jnp.pad(x, ((0, 0), (0, width - x.shape[-1])))[:, None] for x in (q * (width / q.shape[-1]) ** 0.5, k, v))
    return jax.nn.dot_product_attention(q, k, wide, mask=causal_mask(len(q), len(k)))[:, 0, : v.shape[-1]]
