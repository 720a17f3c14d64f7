"""The backward pass asks JAX for the gradient of one block: weights as a function of scores and logarithm, and the logarithm's own cotangent in the place of D."""

from functools import partial

import jax
import jax.numpy as jnp


def sees(t_q, t_k, start, size, causal):
    j = start + jnp.arange(size)
    i = jnp.arange(t_q)[:, None] + (t_k - t_q) if causal else jnp.full((t_q, 1), t_k)
    return (j <= i) & (j < t_k)


def blocks(rows, size):
    full = jnp.zeros((-(-len(rows) // size) * size, rows.shape[1]), jnp.float32).at[: len(rows)].set(rows.astype(jnp.float32))
    return full.reshape(-1, size, rows.shape[1])


def scores(q, keys):
    return jax.vmap(lambda query: keys @ query)(q) / jnp.sqrt(q.shape[1])


def contribution(q, keys, values, lse, mask):
    """What a block adds to an output whose sum of exponentials is known."""
    weights = jnp.where(mask, jnp.exp(jnp.where(mask, scores(q, keys) - lse[:, None], 0.0)), 0.0)
    return weights @ values, weights.sum(1)


def flash_forward(q, k, v, block_size, causal=False):
    t_q, t_k = len(q), len(k)
    wide = q.astype(jnp.float32)
    ks, vs = blocks(k, block_size), blocks(v, block_size)
    starts = jnp.arange(len(ks)) * block_size

    # one loop for the logarithms, and one for the output
    def lengthen(lse, xs):
        start, keys = xs
        s = jnp.where(sees(t_q, t_k, start, block_size, causal), scores(wide, keys), -jnp.inf)
        return jnp.logaddexp(lse, jax.nn.logsumexp(s, axis=1)), None

    lse, _ = jax.lax.scan(lengthen, jnp.full(t_q, -jnp.inf), (starts, ks))

    def add(out, xs):
        start, keys, values = xs
        return out + contribution(wide, keys, values, lse, sees(t_q, t_k, start, block_size, causal))[0], None

    out, _ = jax.lax.scan(add, jnp.zeros((t_q, v.shape[1])), (starts, ks, vs))
    return out.astype(q.dtype), lse


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def attention(q, k, v, block_size, causal):
    return flash_forward(q, k, v, block_size, causal)[0]


def fwd(q, k, v, block_size, causal):
    out, lse = flash_forward(q, k, v, block_size, causal)
    return out, (q, k, v, out, lse)


def bwd(block_size, causal, kept, g):
    q, k, v, out, lse = kept
    wide, g = q.astype(jnp.float32), g.astype(jnp.float32)
    minus_d = -jnp.sum(g * out.astype(jnp.float32), axis=1)

    def step(dq, xs):
        start, keys, values = xs
        mask = sees(len(q), len(k), start, block_size, causal)
        _, pull = jax.vjp(lambda q, k, v: contribution(q, k, v, lse, mask), wide, keys, values)
        more, dk, dv = pull((g, minus_d))
        return dq + more, (dk, dv)

    ks, vs = blocks(k, block_size), blocks(v, block_size)
    dq, (dk, dv) = jax.lax.scan(step, jnp.zeros(q.shape), (jnp.arange(len(ks)) * block_size, ks, vs))
    dk, dv = dk.reshape(-1, k.shape[1])[: len(k)], dv.reshape(-1, v.shape[1])[: len(v)]
    return dq.astype(q.dtype), dk.astype(k.dtype), dv.astype(v.dtype)


attention.defvjp(fwd, bwd)


def flash_attention(q, k, v, block_size, causal=False):
    return attention(q, k, v, min(block_size, len(k)), causal)
