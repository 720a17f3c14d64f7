"""A custom_vjp: the forward pass is a while_loop, which has no gradient of its own, and the backward loop computes the weights again."""

from functools import partial

import jax
import jax.numpy as jnp

f32 = jnp.float32


def blocks_of(x, size):
    return jnp.pad(x, ((0, -len(x) % size), (0, 0))).reshape(-1, size, x.shape[1])


def masked_scores(q, k, first_key, t_q, t_k, causal):
    s = jnp.dot(q, k.T, preferred_element_type=f32) / q.shape[1] ** 0.5
    j = first_key + jnp.arange(len(k))
    last = jnp.arange(t_q)[:, None] + (t_k - t_q) if causal else t_k - 1
    return jnp.where((j <= last) & (j < t_k), s, -jnp.inf)


def forward(q, k, v, size, causal):
    t_q, t_k = len(q), len(k)
    ks, vs = blocks_of(k, size), blocks_of(v, size)

    def going_on(state):
        return state[0] < len(ks)

    def body(state):
        b, m, l, o = state
        s = masked_scores(q, ks[b], b * size, t_q, t_k, causal)
        new = jnp.maximum(m, s.max(1, keepdims=True))
        base = jnp.where(new == -jnp.inf, 0, new)
        p, a = jnp.exp(s - base), jnp.exp(m - base)
        return b + 1, new, l * a + p.sum(1, keepdims=True), o * a + jnp.dot(p, vs[b], preferred_element_type=f32)

    begin = 0, jnp.full((t_q, 1), -jnp.inf), jnp.zeros((t_q, 1)), jnp.zeros((t_q, v.shape[1]))
    _, m, l, o = jax.lax.while_loop(going_on, body, begin)
    return o / jnp.where(l == 0, 1, l), jnp.where(l == 0, jnp.inf, m + jnp.log(jnp.where(l == 0, 1, l)))


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def attend(q, k, v, size, causal):
    return forward(q, k, v, size, causal)[0].astype(q.dtype)


def attend_fwd(q, k, v, size, causal):
    o, lse = forward(q, k, v, size, causal)
    return o.astype(q.dtype), (q, k, v, o, lse)


def attend_bwd(size, causal, saved, g):
    q, k, v, o, lse = saved
    g = g.astype(f32)
    mean = (g * o).sum(1, keepdims=True)
    scale = q.shape[1] ** -0.5

    def step(dq, block):
        b, kb, vb = block
        p = jnp.exp(masked_scores(q, kb, b * size, len(q), len(k), causal) - lse)
        ds = p * (g @ vb.astype(f32).T - mean) * scale
        return dq + ds @ kb.astype(f32), (ds.T @ q.astype(f32), p.T @ g)

    ks = blocks_of(k, size)
    dq, (dk, dv) = jax.lax.scan(step, jnp.zeros(q.shape), (jnp.arange(len(ks)), ks, blocks_of(v, size)))
    return dq.astype(q.dtype), dk.reshape(-1, k.shape[1])[:len(k)].astype(k.dtype), dv.reshape(-1, v.shape[1])[:len(k)].astype(v.dtype)


attend.defvjp(attend_fwd, attend_bwd)


def blockwise_attention(q, k, v, block_size, causal=False):
    return attend(q, k, v, min(block_size, len(k)), causal)
