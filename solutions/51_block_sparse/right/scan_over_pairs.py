"""One pair at a time in a scan, with the online softmax of problem 39 for its row; padding has a row behind the others. Patterns row by row, each with a key of its own and a permutation."""

import jax
import jax.numpy as jnp


def bigbird_blocks(key, num_blocks, window, num_global, num_random):
    blocks = jnp.arange(num_blocks)

    def row(key, i):
        given = (jnp.abs(i - blocks) <= window) | (blocks < num_global) | (i < num_global)
        order = jax.random.permutation(key, num_blocks)
        # walk through the blocks in this order, and take the first that are not given
        taken = jnp.cumsum(~given[order]) <= num_random
        return given | jnp.zeros(num_blocks, bool).at[order].set(taken & ~given[order])

    return jax.vmap(row)(jax.random.split(key, num_blocks), blocks)


def block_sparse_attention(q, k, v, rows, columns, block_size):
    n_blocks = q.shape[0] // block_size
    shape = (n_blocks, block_size, *q.shape[1:])
    qs = jnp.swapaxes(q.reshape(shape), 1, 2).astype(jnp.float32) / q.shape[-1] ** 0.5
    ks, vs = (jnp.swapaxes(x.reshape(shape), 1, 2).astype(jnp.float32) for x in (k, v))
    state = jnp.full(qs.shape[:3], -jnp.inf), jnp.zeros(qs.shape[:3]), jnp.zeros(qs.shape)
    state = jax.tree.map(lambda x: jnp.concatenate([x, x[:1]]), state)

    def step(state, pair):
        m, l, o = state
        r, c = pair
        r = jnp.where(r < 0, n_blocks, r)
        s = qs[jnp.minimum(r, n_blocks - 1)] @ ks[c].swapaxes(-1, -2)
        new = jax.lax.stop_gradient(jnp.maximum(m[r], s.max(-1)))
        old = jnp.exp(m[r] - new)
        p = jnp.exp(s - new[..., None])
        l = l.at[r].set(l[r] * old + p.sum(-1))
        o = o.at[r].set(o[r] * old[..., None] + p @ vs[c])
        return (m.at[r].set(new), l, o), None

    (_, l, o), _ = jax.lax.scan(step, state, (rows, columns))
    o = (o / jnp.where(l > 0, l, 1.0)[..., None])[:-1]
    return jnp.swapaxes(o, 1, 2).reshape(q.shape).astype(q.dtype)
