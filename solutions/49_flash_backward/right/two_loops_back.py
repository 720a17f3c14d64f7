"""Two loops on the way back, as kernels have them: one over keys for dq, one over queries for dk and dv. Each weight is computed twice."""

import functools

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp


def split(x, size, fill=0.0):
    widths = [(0, -x.shape[0] % size)] + [(0, 0)] * (x.ndim - 1)
    return jnp.pad(x, widths, constant_values=fill).reshape(-1, size, *x.shape[1:])


def tile(rows, columns, row_at, column_at, shift, t_k):
    """The scores of some queries and some keys, -inf where a query does not see a key; `shift` is None without a mask."""
    s = jnp.matmul(rows, columns.T, preferred_element_type=jnp.float32) * rows.shape[1] ** -0.5
    seen = column_at[None] < t_k
    if shift is not None:
        seen = seen & (column_at[None] <= row_at[:, None] + shift)
    return jnp.where(seen, s, -jnp.inf)


def merged(one, other):
    """Two attentions with their logarithms, to one."""
    (a, la), (b, lb) = one, other
    lse = jnp.logaddexp(la, lb)
    safe = jnp.where(lse == -jnp.inf, 0.0, lse)
    return a * jnp.exp(la - safe)[:, None] + b * jnp.exp(lb - safe)[:, None], lse


def flash_forward(q, k, v, block_size, causal=False):
    t_q, t_k = len(q), len(k)
    shift = t_k - t_q if causal else None

    def step(carry, xs):
        at, keys, values = xs
        s = tile(q, keys, jnp.arange(t_q), at, shift, t_k)
        lse = logsumexp(s, axis=1)
        p = jnp.exp(s - jnp.where(lse == -jnp.inf, 0.0, lse)[:, None])
        return merged(carry, (p @ values.astype(jnp.float32), lse)), None

    begin = jnp.zeros((t_q, v.shape[1])), jnp.full(t_q, -jnp.inf)
    at = split(jnp.arange(t_k), block_size, t_k).astype(int)
    (out, lse), _ = jax.lax.scan(step, begin, (at, split(k, block_size), split(v, block_size)))
    return out.astype(q.dtype), lse


@functools.partial(jax.custom_vjp, nondiff_argnames=("block_size", "causal"))
def flash_attention(q, k, v, block_size, causal=False):
    out, _ = flash_forward(q, k, v, block_size, causal)
    return out


def fwd(q, k, v, block_size, causal):
    out, lse = flash_forward(q, k, v, block_size, causal)
    return out, (q, k, v, out, lse)


def bwd(block_size, causal, res, do):
    q, k, v, o, lse = res
    t_q, t_k = len(q), len(k)
    shift = t_k - t_q if causal else None
    do, o = do.astype(jnp.float32), o.astype(jnp.float32)
    delta = jnp.vecdot(do, o)
    lse = jnp.where(lse == -jnp.inf, jnp.inf, lse)
    scale = q.shape[1] ** -0.5

    def both(rows, row_at, do, delta, lse, keys, column_at, values):
        p = jnp.exp(tile(rows, keys, row_at, column_at, shift, t_k) - lse[:, None])
        return p, p * (do @ values.astype(jnp.float32).T - delta[:, None]) * scale

    def for_dq(dq, xs):
        at, keys, values = xs
        _, ds = both(q, jnp.arange(t_q), do, delta, lse, keys, at, values)
        return dq + ds @ keys.astype(jnp.float32), None

    def for_dk_and_dv(carry, xs):
        dk, dv = carry
        row_at, rows, do, delta, lse = xs
        p, ds = both(rows, row_at, do, delta, lse, k, jnp.arange(t_k), v)
        return (dk + ds.T @ rows.astype(jnp.float32), dv + p.T @ do), None

    at = split(jnp.arange(t_k), block_size, t_k).astype(int)
    dq, _ = jax.lax.scan(for_dq, jnp.zeros(q.shape), (at, split(k, block_size), split(v, block_size)))
    # queries that fill up the last block have the logarithm inf, and so no weight at all
    by_query = split(jnp.arange(t_q), block_size), *(split(x, block_size) for x in (q, do, delta)), split(lse, block_size, jnp.inf)
    (dk, dv), _ = jax.lax.scan(for_dk_and_dv, (jnp.zeros(k.shape), jnp.zeros(v.shape)), by_query)
    return dq.astype(q.dtype), dk.astype(k.dtype), dv.astype(v.dtype)


flash_attention.defvjp(fwd, bwd)
