"""A while_loop that stops at the last owned row, with a gradient of its own; and a row at a time with a scan. Numbers by digitize."""

from functools import partial

import jax
import jax.numpy as jnp

f32 = jnp.float32


def segment_ids(cu_seqlens, total):
    return jnp.digitize(jnp.arange(total), cu_seqlens[1:]).astype(jnp.int32)


def packed_attention(q, k, v, cu_seqlens, causal=False):
    rows = jnp.arange(len(q))
    ids = segment_ids(cu_seqlens, len(q))

    def one_row(_, it):
        query, row, owner = it
        seen = (ids == owner) & (owner != len(cu_seqlens) - 1)
        seen = seen & (rows <= row) if causal else seen
        scores = jnp.einsum("nh,jnh->nj", query, k, preferred_element_type=f32) / jnp.sqrt(f32(q.shape[-1]))
        scores = jnp.where(seen, scores, -1e30)
        powers = jnp.exp(scores - jax.lax.stop_gradient(scores.max(-1, keepdims=True))) * seen
        return None, jnp.einsum("nj,jnh->nh", powers / jnp.maximum(powers.sum(-1, keepdims=True), 1e-20), v.astype(f32))

    return jax.lax.scan(one_row, None, (q, rows, ids))[1].astype(q.dtype)


def blocks_of(x, size, fill=0):
    return jnp.pad(x, [(0, -len(x) % size)] + [(0, 0)] * (x.ndim - 1), constant_values=fill).reshape(-1, size, *x.shape[1:])


def scores_of(q, keys, owner, key_owner, at, nobody, causal):
    s = jnp.einsum("inh,jnh->nij", q, keys, preferred_element_type=f32) * q.shape[-1] ** -0.5
    seen = (owner[:, None] == key_owner) & (key_owner != nobody)
    if causal:
        seen &= jnp.arange(len(q))[:, None] >= at + jnp.arange(len(keys))
    return jnp.where(seen, s, -jnp.inf)


def forward(q, k, v, cu, size, causal):
    nobody, owner = len(cu) - 1, segment_ids(cu, len(q))
    ks, vs, owners = blocks_of(k, size), blocks_of(v, size), blocks_of(owner, size, nobody)

    def body(state):
        b, m, l, o = state
        s = scores_of(q, ks[b], owner, owners[b], b * size, nobody, causal)
        new = jnp.maximum(m, s.max(-1, keepdims=True))
        base = jnp.where(new == -jnp.inf, 0, new)
        p, a = jnp.exp(s - base), jnp.exp(m - base)
        return b + 1, new, l * a + p.sum(-1, keepdims=True), o * a + jnp.einsum("nij,jnh->nih", p, vs[b], preferred_element_type=f32)

    shape = (q.shape[1], q.shape[0], 1)
    begin = 0, jnp.full(shape, -jnp.inf), jnp.zeros(shape), jnp.zeros((*shape[:2], q.shape[2]))
    _, m, l, o = jax.lax.while_loop(lambda state: state[0] * size < cu[-1], body, begin)
    safe = jnp.where(l == 0, 1, l)
    return o / safe, jnp.where(l == 0, jnp.inf, m + jnp.log(safe))


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def attend(q, k, v, cu, size, causal):
    return jnp.moveaxis(forward(q, k, v, cu, size, causal)[0], 0, 1).astype(q.dtype)


def attend_fwd(q, k, v, cu, size, causal):
    o, lse = forward(q, k, v, cu, size, causal)
    return jnp.moveaxis(o, 0, 1).astype(q.dtype), (q, k, v, cu, o, lse)


def attend_bwd(size, causal, saved, g):
    q, k, v, cu, o, lse = saved
    nobody, owner = len(cu) - 1, segment_ids(cu, len(q))
    g = jnp.moveaxis(g, 1, 0).astype(f32)
    mean = (g * o).sum(-1, keepdims=True)

    def step(dq, block):
        b, keys, values, its = block
        p = jnp.exp(scores_of(q, keys, owner, its, b * size, nobody, causal) - lse)
        ds = p * (jnp.einsum("nih,jnh->nij", g, values.astype(f32)) - mean) * q.shape[-1] ** -0.5
        dq = dq + jnp.einsum("nij,jnh->inh", ds, keys.astype(f32))
        return dq, (jnp.einsum("nij,inh->jnh", ds, q.astype(f32)), jnp.einsum("nij,nih->jnh", p, g))

    ks = blocks_of(k, size)
    blocks = jnp.arange(len(ks)), ks, blocks_of(v, size), blocks_of(owner, size, nobody)
    dq, (dk, dv) = jax.lax.scan(step, jnp.zeros(q.shape), blocks)
    whole = lambda d, x: d.reshape(-1, *x.shape[1:])[: len(x)].astype(x.dtype)
    return dq.astype(q.dtype), whole(dk, k), whole(dv, v), None


attend.defvjp(attend_fwd, attend_bwd)


def packed_blockwise_attention(q, k, v, cu_seqlens, block_size, causal=False):
    return attend(q, k, v, cu_seqlens, min(block_size, len(q)), causal)
