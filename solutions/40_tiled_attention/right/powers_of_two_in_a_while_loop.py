"""exp2 instead of exp, with the factor log2(e) in the scale, and a `while_loop`; compiled by its own decorator."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl


@functools.partial(jax.jit, static_argnames=("block_q", "block_k", "causal", "interpret"))
def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    heads, t_q, h = q.shape
    t_k = k.shape[1]
    while block_q >= 32 and block_q >= 2 * t_q:
        block_q //= 2
    while block_k >= 32 and block_k >= 2 * t_k:
        block_k //= 2

    def fill(x, block):
        missing = -(-x.shape[1] // block) * block - x.shape[1]
        return jnp.concatenate([x, jnp.zeros((heads, missing, h), x.dtype)], axis=1)

    q, k, v = fill(q, block_q), fill(k, block_k), fill(v, block_k)

    def kernel(q_ref, k_ref, v_ref, o_ref):
        block = pl.program_id(1)
        q = q_ref[:, :]
        last = (block + 1) * block_q - 1 + t_k - t_q        # the last key that the last query of the block sees
        end = jnp.minimum(last + 1, t_k) if causal else jnp.int32(t_k)

        def more(state):
            return state[0] < end

        def visit(state):
            start, m, l, acc = state
            here = pl.ds(pl.multiple_of(start, block_k), block_k)      # a TPU wants to know that the load is aligned
            ks, vs = k_ref[here, :], v_ref[here, :]
            s = lax.dot_general(q, ks, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32) * (math.log2(math.e) / math.sqrt(h))
            key = start + lax.broadcasted_iota(jnp.int32, s.shape, 1)
            query = last - (block_q - 1) + lax.broadcasted_iota(jnp.int32, s.shape, 0)
            s = jnp.where(key < t_k, s, -jnp.inf)
            if causal:
                s = jnp.where(key > query, -jnp.inf, s)
            new = jnp.maximum(m, s.max(-1, keepdims=True))
            p = jnp.exp2(s - new)
            a = jnp.exp2(m - new)
            acc = a * acc + lax.dot_general(p.astype(vs.dtype), vs, (((1,), (0,)), ((), ())), preferred_element_type=jnp.float32)
            return start + block_k, new, a * l + p.sum(-1, keepdims=True), acc

        lowest = jnp.full((block_q, 1), -1e38, jnp.float32)
        _, _, l, acc = lax.while_loop(more, visit, (jnp.int32(0), lowest, jnp.zeros_like(lowest), jnp.zeros((block_q, h), jnp.float32)))
        o_ref[:, :] = (acc / jnp.where(l == 0, 1.0, l)).astype(o_ref.dtype)

    out = pl.pallas_call(
        kernel,
        grid=(heads, q.shape[1] // block_q),
        in_specs=[pl.BlockSpec((pl.squeezed, block_q, h), lambda n, i: (n, i, 0))] + [pl.BlockSpec((pl.squeezed, k.shape[1], h), lambda n, i: (n, 0, 0))] * 2,
        out_specs=pl.BlockSpec((pl.squeezed, block_q, h), lambda n, i: (n, i, 0)),
        out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
        interpret=interpret,
    )(q, k, v)
    return lax.slice_in_dim(out, 0, t_q, axis=1)
