"""A kernel for one head, mapped over the heads: `vmap` adds the axis of heads to the grid. It stays one `pallas_call`."""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl


def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    return jax.vmap(lambda q, k, v: one_head(q, k, v, block_q, block_k, causal, interpret))(q, k, v)


def one_head(q, k, v, block_q, block_k, causal, interpret):
    (t_q, h), t_k = q.shape, k.shape[0]
    block_q, block_k = (min(block, max(16, 1 << (t - 1).bit_length())) for block, t in ((block_q, t_q), (block_k, t_k)))
    q = jnp.pad(q, ((0, -t_q % block_q), (0, 0)))
    k, v = (jnp.pad(x, ((0, -t_k % block_k), (0, 0))) for x in (k, v))

    def kernel(q_ref, k_ref, v_ref, o_ref):
        first = pl.program_id(0) * block_q + t_k - t_q
        queries = first + jax.lax.broadcasted_iota(jnp.int32, (block_q, block_k), 0)
        visited = len(k) // block_k
        if causal:
            visited = jnp.clip(pl.cdiv(jnp.maximum(first + block_q, 0), block_k), 0, visited)

        def step(i, carry):
            top, total, acc = carry
            window = pl.ds(pl.multiple_of(i * block_k, block_k), block_k)
            scores = jax.lax.dot_general(q_ref[...], k_ref[window, :], (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32) * h ** -0.5
            keys = i * block_k + jax.lax.broadcasted_iota(jnp.int32, (block_q, block_k), 1)
            scores = jnp.where((keys < t_k) & ((keys <= queries) | (not causal)), scores, -jnp.inf)
            higher = jnp.maximum(top, jnp.max(scores, 1, keepdims=True))
            safe = jnp.where(jnp.isinf(higher), 0, higher)
            weights = jnp.exp(scores - safe)
            fade = jnp.exp(top - safe)
            acc = acc * fade + jax.lax.dot_general(weights, v_ref[window, :].astype(jnp.float32), (((1,), (0,)), ((), ())))
            return higher, total * fade + weights.sum(1, keepdims=True), acc

        carry = jnp.full((block_q, 1), -jnp.inf), jnp.zeros((block_q, 1)), jnp.zeros((block_q, h))
        _, total, acc = jax.lax.fori_loop(0, visited, step, carry)
        o_ref[...] = (acc / jnp.where(total > 0, total, 1)).astype(o_ref.dtype)

    whole = pl.BlockSpec(k.shape, lambda i: (0, 0))
    rows = pl.BlockSpec((block_q, h), lambda i: (i, 0))
    out = pl.pallas_call(kernel, jax.ShapeDtypeStruct(q.shape, q.dtype), grid=(len(q) // block_q,), in_specs=[rows, whole, whole],
                         out_specs=rows, interpret=interpret)(q, k, v)
    return out[:t_q]
