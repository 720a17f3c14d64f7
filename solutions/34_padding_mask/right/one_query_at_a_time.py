"""One query of one head at a time, mapped over queries, heads and sequences; a query without a key attends to everything and is then dropped."""

from functools import partial

import jax
import jax.numpy as jnp


@partial(jax.jit, static_argnames="max_len")
def padding_mask(lengths, max_len):
    return jax.vmap(lambda length: jnp.arange(max_len) < length)(lengths)


def bidirectional_attention(q, k, v, num_heads, mask=None):
    return mapped(q, k, v, num_heads, mask, jnp.full((q.shape[1], q.shape[1]), True))


def causal_attention(q, k, v, num_heads, mask=None):
    places = jnp.arange(q.shape[1])
    return mapped(q, k, v, num_heads, mask, places[:, None] >= places)


@partial(jax.jit, static_argnums=3)
def mapped(q, k, v, num_heads, mask, order):
    def one_query(query, keys, values, visible):
        some = visible.any()
        # Made safe before the softmax, not after it: then no NaN is computed that a gradient could find.
        scores = jnp.where(visible, keys @ query / jnp.sqrt(query.size), jnp.where(some, -jnp.inf, 0.0))
        weights = jnp.where(visible, jnp.exp(scores - jax.nn.logsumexp(scores)), 0.0)
        return weights @ values

    def one_head(query, keys, values, visible):
        return jax.vmap(one_query, in_axes=(0, None, None, 0))(query, keys, values, visible)

    def one_sequence(q, k, v, real):
        heads = (x.reshape(len(x), num_heads, -1) for x in (q, k, v))
        return jax.vmap(one_head, in_axes=(1, 1, 1, None), out_axes=1)(*heads, order & real).reshape(q.shape)

    return jax.vmap(one_sequence)(q, k, v, jnp.ones(q.shape[:2], bool) if mask is None else mask)
