"""while_loops, which JAX could not differentiate and need not; causal blocks that nobody sees are never reached."""

from functools import partial

import jax
import jax.numpy as jnp
from einops import einsum, reduce


def padded(x, size):
    return jnp.pad(x, ((0, -x.shape[0] % size), (0, 0))).reshape(-1, size, x.shape[1])


def scores(q, keys, first, limit):
    s = einsum(q, keys, "i d, j d -> i j") * q.shape[1] ** -0.5
    at = first + jnp.arange(keys.shape[0])
    return jnp.where(at[None, :] < limit[:, None], s, -jnp.inf)


def limits(t_q, t_k, causal):
    """How many keys each query sees."""
    return jnp.clip(jnp.arange(1, t_q + 1) + t_k - t_q, 0) if causal else jnp.full(t_q, t_k)


def flash_forward(q, k, v, block_size, causal=False):
    limit = limits(len(q), len(k), causal)
    qf, ks, vs = q.astype(jnp.float32), padded(k, block_size).astype(jnp.float32), padded(v, block_size).astype(jnp.float32)

    def more(state):
        return (state[0] < len(ks)) & (state[0] * block_size < limit.max())

    def body(state):
        b, top, total, out = state
        s = scores(qf, ks[b], b * block_size, limit)
        new = jnp.maximum(top, reduce(s, "i j -> i", "max"))
        safe = jnp.nan_to_num(new, neginf=0.0)
        p, a = jnp.exp(s - safe[:, None]), jnp.exp(top - safe)
        return b + 1, new, a * total + reduce(p, "i j -> i", "sum"), a[:, None] * out + einsum(p, vs[b], "i j, j e -> i e")

    start = 0, jnp.full(len(q), -jnp.inf), jnp.zeros(len(q)), jnp.zeros((len(q), v.shape[1]))
    _, top, total, out = jax.lax.while_loop(more, body, start)
    dead = total == 0
    out = jnp.where(dead[:, None], 0, out / jnp.where(dead, 1, total)[:, None])
    return out.astype(q.dtype), jnp.where(dead, -jnp.inf, jnp.nan_to_num(top, neginf=0.0) + jnp.log(jnp.where(dead, 1, total)))


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def attend(q, k, v, block_size, causal):
    return flash_forward(q, k, v, block_size, causal)[0]


def attend_fwd(q, k, v, block_size, causal):
    o, lse = flash_forward(q, k, v, block_size, causal)
    return o, dict(q=q, k=k, v=v, o=o, lse=lse)


def attend_bwd(block_size, causal, saved, g):
    q, k, v, o = (saved[name].astype(jnp.float32) for name in "qkvo")
    lse = jnp.where(jnp.isneginf(saved["lse"]), 0.0, saved["lse"])
    limit, g = limits(len(q), len(k), causal), g.astype(jnp.float32)
    ks, vs = padded(k, block_size), padded(v, block_size)
    mean = einsum(g, o, "i e, i e -> i")

    def body(state):
        b, dq, dk, dv = state
        p = jnp.exp(scores(q, ks[b], b * block_size, limit) - lse[:, None])
        ds = p * (einsum(g, vs[b], "i e, j e -> i j") - mean[:, None]) / q.shape[1] ** 0.5
        dq = dq + einsum(ds, ks[b], "i j, j d -> i d")
        return b + 1, dq, dk.at[b].set(einsum(ds, q, "i j, i d -> j d")), dv.at[b].set(einsum(p, g, "i j, i e -> j e"))

    start = 0, jnp.zeros(q.shape), jnp.zeros(ks.shape), jnp.zeros(vs.shape)
    _, *grads = jax.lax.while_loop(lambda state: state[0] < len(ks), body, start)
    flat = (x.reshape(-1, x.shape[-1])[: len(like)] for x, like in zip(grads, (q, k, v)))
    return tuple(x.astype(saved[name].dtype) for x, name in zip(flat, "qkv"))


attend.defvjp(attend_fwd, attend_bwd)


def flash_attention(q, k, v, block_size, causal=False):
    return attend(q, k, v, block_size, causal)
