"""Each block is an attention of its own with the logarithm of its sum; two of them merge by these logarithms."""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

LOW = -0.7 * float(jnp.finfo(jnp.float32).max)


def attend(q, k, v, mask):
    """The attention over one block, and the logarithm of the sum of its exponentials; LOW where it has no key."""
    scores = jnp.where(mask, jax.lax.dot_general(q, k, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32) * q.shape[1] ** -0.5, LOW)
    any_key = mask.any(1)
    lse = jnp.where(any_key, logsumexp(scores, axis=1), LOW)
    weights = jnp.where(mask, jnp.exp(scores - jnp.where(any_key, lse, 0)[:, None]), 0)
    return jnp.dot(weights, v, preferred_element_type=jnp.float32), lse


def merge(one, other):
    (a, lse_a), (b, lse_b) = one, other
    lse = jnp.logaddexp(lse_a, lse_b)
    both = jnp.stack([lse_a, lse_b])
    share = jnp.where(both > LOW, jnp.exp(both - lse), 0)[..., None]
    return a * share[0] + b * share[1], jnp.where(lse > LOW / 2, lse, LOW)


def blockwise_attention(q, k, v, block_size, causal=False):
    t_q, t_k = q.shape[0], k.shape[0]
    count = (t_k + block_size - 1) // block_size
    fill = ((0, count * block_size - t_k), (0, 0))
    last = jnp.arange(t_q) + t_k - t_q if causal else jnp.full(t_q, t_k - 1)

    def step(carry, xs):
        b, k_b, v_b = xs
        mask = (b * block_size + jnp.arange(block_size)) <= last[:, None]
        return merge(carry, attend(q, k_b, v_b, mask)), ()

    begin = jnp.zeros((t_q, v.shape[1]), jnp.float32), jnp.full(t_q, LOW)
    blocks = jnp.arange(count), *(jnp.pad(x, fill).reshape(count, block_size, -1) for x in (k, v))
    (out, _), _ = jax.lax.scan(step, begin, blocks)
    return out.astype(q.dtype)
