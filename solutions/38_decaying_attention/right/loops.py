"""Two Python loops, over the queries and the keys, with all heads and leading dimensions at once in each step."""

import jax
import jax.numpy as jnp
from flax import nnx


def distance_bias(t_q, t_k):
    return jnp.array([[float(abs(i - j)) for j in range(t_k)] for i in range(t_q)])


def biased_attention(q, k, v):
    if q.shape[-1] != k.shape[-1] or not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ValueError("shapes that do not fit")
    rows = []
    for i in range(q.shape[-2]):
        scores = [(q[..., i, :] * k[..., j, :]).astype(jnp.float32).sum(-1) + abs(i - j) for j in range(k.shape[-2])]
        weights = jax.nn.softmax(jnp.stack(scores, -1))
        rows.append(sum(weights[..., j, None] * v[..., j, :] for j in range(k.shape[-2])))
    return jnp.stack(rows, -2).astype(q.dtype)


class DecayingAttention(nnx.Module):
    def __init__(self, num_heads: int, *, rngs: nnx.Rngs):
        self.log_alpha = nnx.Param(jnp.zeros(num_heads))

    def __call__(self, q, k, v, causal=False):
        decay, length = jnp.exp(self.log_alpha[...]), q.shape[-3]
        rows = []
        for i in range(length):
            seen = range(i + 1 if causal else length)
            scores = [(q[..., i, :, :] * k[..., j, :, :]).sum(-1) / q.shape[-1] ** 0.5 - decay * abs(i - j) for j in seen]
            weights = jax.nn.softmax(jnp.stack(scores, -1))
            rows.append(sum(weights[..., j, None] * v[..., j, :, :] for j in seen))
        return jnp.stack(rows, -3)
