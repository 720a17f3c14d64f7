"""Each pair is an attention of its own with the logarithm of its sum, and those of a row are merged by a second softmax. Heads by vmap. Patterns in plain Python loops over rows."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp


def bigbird_blocks(key, num_blocks, window, num_global, num_random):
    rows = []
    for i in range(num_blocks):
        fixed = np.array([abs(i - j) <= window or i < num_global or j < num_global for j in range(num_blocks)])
        rest = np.flatnonzero(~fixed)
        key, used = jax.random.split(key)
        drawn = jax.random.permutation(used, rest)[:num_random]
        rows.append(jnp.asarray(fixed).at[drawn].set(True))
    return jnp.stack(rows)


def block_sparse_attention(q, k, v, rows, columns, block_size):
    length, _, width = q.shape
    blocks = length // block_size
    ids = jnp.where(rows < 0, blocks, rows)

    @jax.vmap
    def pair(query, keys, values):
        s = jnp.dot(query, keys.T, preferred_element_type=jnp.float32) / np.sqrt(width).astype(np.float32)
        return jax.nn.softmax(s, axis=-1) @ values.astype(jnp.float32), logsumexp(s, axis=-1)

    def head(q, k, v):
        qb, kb, vb = (jnp.reshape(x, (blocks, block_size, width)) for x in (q, k, v))
        out, lse = pair(qb[rows], kb[columns], vb[columns])                     # (P, b, H), (P, b)
        top = jax.lax.stop_gradient(jax.ops.segment_max(lse, ids, blocks + 1))
        weight = jnp.exp(lse - top[ids])
        total = jax.ops.segment_sum(weight, ids, blocks + 1)
        share = weight / total[ids]
        merged = jax.ops.segment_sum(out * share[..., None], ids, blocks + 1)
        return merged[:blocks].reshape(length, width)

    return jax.vmap(head, in_axes=1, out_axes=1)(q, k, v).astype(q.dtype)
