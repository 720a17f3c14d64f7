"""One query against its keys is written once; vmap adds queries, sequences and heads. vmap itself refuses unequal batch sizes, with ValueError."""

import jax
import jax.numpy as jnp
from flax import nnx


def distance_bias(t_q, t_k):
    return jax.vmap(lambda i: jnp.abs(jnp.arange(t_k) - i))(jnp.arange(t_q)).astype(jnp.float32)


def one_query(query, keys, values, bias):
    scores = keys @ query + bias
    powers = jnp.exp(scores - scores.max())
    return powers @ values / powers.sum()


def biased_attention(q, k, v):
    if q.ndim > 2:
        return jax.vmap(biased_attention)(q, k, v)
    if q.shape[1] != k.shape[1]:
        raise ValueError(f"{q.shape[1]} != {k.shape[1]}")
    bias = distance_bias(len(q), len(k)).astype(q.dtype)
    return jax.vmap(lambda query, row: one_query(query, k, v, row))(q, bias)


class DecayingAttention(nnx.Module):
    def __init__(self, num_heads: int, *, rngs: nnx.Rngs):
        self.log_alpha = nnx.Param(jnp.zeros([num_heads]))

    def __call__(self, q, k, v, causal=False):
        length, width = q.shape[-3], q.shape[-1]
        distance = distance_bias(length, length)
        hidden = jnp.where(jnp.arange(length) > jnp.arange(length)[:, None], -jnp.inf, 0.0) if causal else 0.0

        def one_head(q, k, v, log_alpha):
            return jax.vmap(one_query, in_axes=(0, None, None, 0))(q / width ** 0.5, k, v, hidden - jnp.exp(log_alpha) * distance)

        heads = jax.vmap(one_head, in_axes=(1, 1, 1, 0), out_axes=1)
        return jnp.vectorize(lambda *a: heads(*a, self.log_alpha[...]), signature="(t,n,h),(t,n,h),(t,n,h)->(t,n,h)")(q, k, v)
