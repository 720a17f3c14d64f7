"""One row at a time under `vmap`, with a key for each row; filters add -inf; `jax.random.choice` draws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def _row(x, temperature, top_k, top_p):
    x = x.astype(jnp.float32) / temperature
    ranked = jnp.sort(x)[::-1]
    if top_k is not None:
        x = x + jnp.where(x < ranked[min(top_k, len(x)) - 1], -jnp.inf, 0.0)
        ranked = jnp.where(ranked < ranked[min(top_k, len(x)) - 1], -jnp.inf, ranked)
    if top_p is not None:
        p = jax.nn.softmax(ranked)

        def step(total, one):
            return total + one, total < top_p

        stays = jax.lax.scan(step, 0.0, p)[1]
        x = x + jnp.where(x < jnp.where(stays, ranked, jnp.inf).min(), -jnp.inf, 0.0)
    return x


def filter_logits(logits, temperature, top_k=None, top_p=None):
    rows = logits.reshape(-1, logits.shape[-1])
    one = functools.partial(_row, temperature=temperature, top_k=top_k, top_p=top_p)
    return jax.vmap(one)(rows).reshape(logits.shape).astype(logits.dtype)


def sample_token(key, logits, temperature, top_k=None, top_p=None):
    batch = logits.shape[:-1]
    rows = logits.reshape(-1, logits.shape[-1])
    keys = jax.random.split(key, int(np.prod(batch)))
    zero = jnp.equal(temperature, 0)

    def draw(key, row):
        p = jax.nn.softmax(_row(row, jnp.where(zero, 1.0, temperature), top_k, top_p))
        return jnp.where(zero, jnp.argmax(row), jax.random.choice(key, row.size, p=p))

    return jax.vmap(draw)(keys, rows).reshape(batch).astype("int32")
