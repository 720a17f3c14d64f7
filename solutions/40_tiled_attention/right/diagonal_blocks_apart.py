"""Two loops: first the blocks that every query sees in full, without any mask, then those that the diagonal or the end of the keys cuts."""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl


def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    n, t_q, h = q.shape
    t_k = k.shape[1]
    block_q = min(block_q, max(16, pl.next_power_of_2(t_q)))
    block_k = min(block_k, max(16, pl.next_power_of_2(t_k)))

    def kernel(q_ref, k_ref, v_ref, o_ref):
        first = pl.program_id(1) * block_q + t_k - t_q
        q = q_ref[...]

        def step(i, carry, masked):
            m, l, o = carry
            here = pl.ds(i * block_k, block_k)
            s = jax.lax.dot_general(q, k_ref[here, :], (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32) * h ** -0.5
            if masked:
                key = i * block_k + jax.lax.broadcasted_iota(jnp.int32, s.shape, 1)
                query = first + jax.lax.broadcasted_iota(jnp.int32, s.shape, 0)
                s = jnp.where(key < (jnp.minimum(query + 1, t_k) if causal else t_k), s, -jnp.inf)
            top = jnp.maximum(m, jnp.max(s, axis=1))
            p, old = jnp.exp(s - top[:, None]), jnp.exp(m - top)
            o = o * old[:, None] + jnp.dot(p.astype(v_ref.dtype), v_ref[here, :], preferred_element_type=jnp.float32)
            return top, l * old + jnp.sum(p, axis=1), o

        whole, needed = t_k // block_k, pl.cdiv(t_k, block_k)
        if causal:
            whole = jnp.clip((first + 1) // block_k, 0, whole)
            needed = jnp.clip((first + block_q + block_k - 1) // block_k, 0, needed)
        carry = jnp.full(block_q, -3e38, jnp.float32), jnp.zeros(block_q, jnp.float32), jnp.zeros((block_q, h), jnp.float32)
        carry = jax.lax.fori_loop(0, whole, lambda i, c: step(i, c, False), carry)
        _, l, o = jax.lax.fori_loop(whole, needed, lambda i, c: step(i, c, True), carry)
        o_ref[...] = (o / jnp.maximum(l, 1e-30)[:, None]).astype(o_ref.dtype)

    pad = lambda x, block: jnp.pad(x, ((0, 0), (0, -x.shape[1] % block), (0, 0)))
    q, k, v = pad(q, block_q), pad(k, block_k), pad(v, block_k)
    mine = pl.BlockSpec((None, block_q, h), lambda n, i: (n, i, 0))
    every = pl.BlockSpec((None,) + k.shape[1:], lambda n, i: (n, 0, 0))
    out = pl.pallas_call(kernel, grid=(n, q.shape[1] // block_q), in_specs=[mine, every, every], out_specs=mine,
                         out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype), interpret=interpret)(q, k, v)
    return out[:, :t_q, :]
