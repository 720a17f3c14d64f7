"""The bias is looked up in a table with one entry for each distance; the weights come from logsumexp; a Python loop runs over the heads."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


def distance_bias(t_q, t_k):
    return jnp.asarray(np.abs(np.subtract.outer(np.arange(t_q), np.arange(t_k))), jnp.float32)


def weights(scores):
    return jnp.exp(scores - jax.nn.logsumexp(scores, axis=-1, keepdims=True))


def biased_attention(q, k, v):
    try:
        if q.shape[-1] != k.shape[-1]:
            raise IndexError
        (batch,) = {q.shape[:-2], k.shape[:-2], v.shape[:-2]}
    except (IndexError, ValueError):
        raise ValueError(f"no attention between {q.shape}, {k.shape} and {v.shape}") from None
    single = not batch
    q, k, v = (a[None] if single else a for a in (q, k, v))
    scores = jnp.matmul(q, k.transpose(0, 2, 1), preferred_element_type=jnp.float32) + distance_bias(q.shape[1], k.shape[1])
    output = weights(scores).astype(v.dtype) @ v
    return output[0] if single else output


class DecayingAttention(nnx.Module):
    def __init__(self, num_heads, *, rngs):
        self.num_heads = num_heads
        self.log_alpha = nnx.Param(jnp.zeros((num_heads,)))

    def __call__(self, q, k, v, causal=False):
        length = q.shape[-3]
        steps = jnp.arange(length)
        offset = steps[:, None] - steps
        heads = []
        for n in range(self.num_heads):
            table = -jnp.exp(self.log_alpha[n]) * steps
            scores = q[..., n, :] @ k[..., n, :].swapaxes(-1, -2) / jnp.sqrt(q.shape[-1]) + table[jnp.abs(offset)]
            if causal:
                scores = jnp.where(offset < 0, jnp.finfo(scores.dtype).min, scores)
            heads.append(weights(scores) @ v[..., n, :])
        return jnp.stack(heads, axis=-2)
