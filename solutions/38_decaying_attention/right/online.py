"""One key after the other, by scan: a running maximum and running sums, and never a matrix of scores; compiled by its own decorators."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx


@functools.partial(jax.jit, static_argnums=(0, 1))
def distance_bias(t_q, t_k):
    offset = jnp.arange(t_q, dtype=jnp.float32)[:, None] - jnp.arange(t_k)
    return jnp.maximum(offset, -offset)


def one_sequence(q, k, v, bias):
    """q (T_q, d), k (T_k, d), v (T_k, d_v), bias (T_q, T_k), all float32."""
    def step(carry, key):
        top, total, output = carry
        k_j, v_j, b_j = key
        score = q @ k_j + b_j
        higher = jnp.maximum(top, score)
        fade, power = jnp.exp(top - higher), jnp.exp(score - higher)
        return (higher, total * fade + power, output * fade[:, None] + power[:, None] * v_j), None

    start = (jnp.full(len(q), jnp.finfo(q.dtype).min), jnp.zeros(len(q)), jnp.zeros((len(q), v.shape[1])))
    (_, total, output), _ = jax.lax.scan(step, start, (k, v, bias.T))
    return output / total[:, None]


@jax.jit
def biased_attention(q, k, v):
    if q.shape[-1] != k.shape[-1]:
        raise ValueError("widths")
    if q.shape[:-2] != k.shape[:-2] or k.shape[:-2] != v.shape[:-2]:
        raise ValueError("batch sizes")
    bias = distance_bias(q.shape[-2], k.shape[-2])
    attend = jnp.vectorize(lambda *a: one_sequence(*a, bias), signature="(i,d),(j,d),(j,c)->(i,c)")
    return attend(*(a.astype(jnp.float32) for a in (q, k, v))).astype(q.dtype)


class DecayingAttention(nnx.Module):
    def __init__(self, num_heads: int, *, rngs: nnx.Rngs):
        self.log_alpha = nnx.Param(jnp.zeros((num_heads,)))

    def __call__(self, q, k, v, causal=False):
        length = q.shape[-3]
        bias = -jnp.exp(self.log_alpha[...])[:, None, None] * distance_bias(length, length)
        if causal:
            bias = jnp.where(jnp.tri(length, dtype=bool), bias, -jnp.inf)
        attend = jnp.vectorize(one_sequence, signature="(i,d),(j,d),(j,c),(i,j)->(i,c)")
        q, k, v = (a.swapaxes(-3, -2) for a in (q * q.shape[-1] ** -0.5, k, v))
        return attend(q, k, v, bias).swapaxes(-3, -2)
