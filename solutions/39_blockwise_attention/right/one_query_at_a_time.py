"""One query, mapped over the queries: the loop over blocks becomes one over a batch of rows. Numerator and sum are one array."""

import jax
import jax.numpy as jnp


def blockwise_attention(q, k, v, block_size, causal=False):
    t_q, t_k = q.shape[0], k.shape[0]
    blocks = -(-t_k // block_size)
    whole = jnp.pad(jnp.concatenate([k, v, jnp.ones((t_k, 1), v.dtype)], axis=1), ((0, blocks * block_size - t_k), (0, 0)))
    whole = whole.astype(jnp.float32).reshape(blocks, block_size, -1)
    key_at = jnp.arange(blocks * block_size).reshape(blocks, block_size)

    def one(query, last):
        def step(carry, block):
            top, sums = carry
            rows, at = block
            keys, values_and_one = rows[:, : q.shape[1]], rows[:, q.shape[1]:]
            s = jnp.where(at <= last, keys @ query, -jnp.inf)
            now = jnp.maximum(top, s.max())
            base = jnp.where(now == -jnp.inf, 0.0, now)
            return (now, jnp.exp(top - base) * sums + jnp.exp(s - base) @ values_and_one), None

        (_, sums), _ = jax.lax.scan(step, (-jnp.inf, jnp.zeros(v.shape[1] + 1)), (whole, key_at))
        return sums[:-1] / jnp.where(sums[-1] > 0, sums[-1], 1.0)

    last = jnp.arange(t_q) + (t_k - t_q) if causal else jnp.full(t_q, t_k - 1)
    return jax.vmap(one)(q.astype(jnp.float32) / jnp.sqrt(q.shape[1]), last).astype(q.dtype)
