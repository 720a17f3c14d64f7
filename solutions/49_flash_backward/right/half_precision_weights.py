"""As a kernel would: q is scaled once and kept scaled, weights are cast to the inputs' type for their products, powers are powers of 2, and the ragged end is a step of its own."""

import jax
import jax.numpy as jnp

LOG2_E = 1.4426950408889634


def dot(a, b):
    return jnp.dot(a, b, preferred_element_type=jnp.float32)


def in_binary(q, keys, start, shift, scale):
    """Scores times log2(e), so that exp2 is their exponential; `shift` is None where every key is seen."""
    s = dot(q, keys.T) * (scale * LOG2_E)
    if shift is None:
        return s
    i, j = jax.lax.broadcasted_iota(int, s.shape, 0), jax.lax.broadcasted_iota(int, s.shape, 1)
    return jnp.where(start + j <= i + shift, s, -jnp.inf)


def over_blocks(step, carry, k, v, size):
    """Whole blocks in a scan, and what is left over in one more step."""
    whole = len(k) // size
    made = []
    if whole:
        xs = jnp.arange(whole) * size, *(x[: whole * size].reshape(whole, size, -1) for x in (k, v))
        carry, rows = jax.lax.scan(step, carry, xs)
        made.append(jax.tree.map(lambda x: x.reshape(whole * size, -1), rows))
    if whole * size < len(k):
        carry, rows = step(carry, (whole * size, k[whole * size:], v[whole * size:]))
        made.append(rows)
    return carry, jax.tree.map(lambda *parts: jnp.concatenate(parts), *made)


def flash_forward(q, k, v, block_size, causal=False):
    shift, scale = len(k) - len(q) if causal else None, q.shape[1] ** -0.5

    def step(carry, block):
        m, l, acc = carry
        start, keys, values = block
        s = in_binary(q, keys, start, shift, scale)
        new = jnp.maximum(m, s.max(1))
        base = jnp.where(jnp.isfinite(new), new, 0.0)
        p, alpha = jnp.exp2(s - base[:, None]), jnp.exp2(m - base)
        return (new, l * alpha + p.sum(1), acc * alpha[:, None] + dot(p.astype(values.dtype), values)), None

    begin = jnp.full(len(q), -jnp.inf), jnp.zeros(len(q)), jnp.zeros((len(q), v.shape[1]))
    (m, l, acc), _ = over_blocks(step, begin, k, v, block_size)
    out = acc / jnp.maximum(l, jnp.finfo(jnp.float32).tiny)[:, None]
    return out.astype(q.dtype), jnp.where(l > 0, (m + jnp.log2(l)) / LOG2_E, -jnp.inf)


def flash_attention(q, k, v, block_size, causal=False):
    shift, scale = len(k) - len(q) if causal else None, q.shape[1] ** -0.5

    @jax.custom_vjp
    def attend(q, k, v):
        return flash_forward(q, k, v, block_size, causal)[0]

    def fwd(q, k, v):
        out, lse = flash_forward(q, k, v, block_size, causal)
        return out, (q, q * jnp.asarray(scale, q.dtype), k, v, out, lse * LOG2_E)

    def bwd(saved, g):
        q, scaled, k, v, out, lse = saved
        delta = (g.astype(jnp.float32) * out.astype(jnp.float32)).sum(1, keepdims=True)
        base = jnp.where(jnp.isfinite(lse), lse, 0.0)[:, None]

        def step(dq, block):
            start, keys, values = block
            p = jnp.exp2(in_binary(q, keys, start, shift, scale) - base)
            ds = (p * (dot(g, values.T) - delta)).astype(q.dtype)
            return dq + dot(ds, keys), (dot(ds.T, scaled), dot(p.astype(g.dtype).T, g))

        dq, (dk, dv) = over_blocks(step, jnp.zeros(q.shape), k, v, block_size)
        return (dq * scale).astype(q.dtype), dk.astype(k.dtype), dv.astype(v.dtype)

    attend.defvjp(fwd, bwd)
    return attend(q, k, v)
