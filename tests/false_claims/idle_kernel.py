"""Everything happens outside of the kernel, behind a window of one number that gives back the number, and the kernel exponentiates for nothing.

Problem: 40
Fails: one kernel does the work: Here `dot_general` is outside of it
Fails: nothing of size T_q × T_k: There is an array of shape (1, 512, 1024)
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl


def identity(x):
    return jax.lax.reduce_window(x, jnp.zeros((), x.dtype), lambda a, b: b, (1,) * x.ndim, (1,) * x.ndim, "VALID")


def tiled_attention(q, k, v, *, block_q=128, block_k=128, causal=False, interpret=False):
    (heads, t_q, width), t_k = q.shape, k.shape[1]
    scores = jnp.einsum("nqh,nkh->nqk", q, k, preferred_element_type=jnp.float32) / width ** 0.5
    seen = jnp.arange(t_k) <= jnp.arange(t_q)[:, None] + (t_k - t_q if causal else t_k)
    out = identity(jnp.einsum("nqk,nkh->nqh", jax.nn.softmax(scores, axis=-1, where=seen), v.astype(jnp.float32)).astype(q.dtype))

    def kernel(x, o):
        o[...] = x[...] + (jnp.exp(x[...].astype(jnp.float32)) * 0).astype(o.dtype)

    block = pl.BlockSpec((None, min(block_q, t_q), width), lambda head, i: (head, i, 0))
    return pl.pallas_call(kernel, grid=(heads, -(-t_q // min(block_q, t_q))), in_specs=[block], out_specs=block,
                          out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype), interpret=interpret)(out)
