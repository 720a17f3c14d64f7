"""Full chunks in a scan, and the tail, if there is one, by the same function behind it; nothing is padded. The sums of
all keys are those of a single chunk."""

import jax
import jax.numpy as jnp


def phi(x):
    x = x.astype(jnp.float32)
    return jnp.where(x >= 0, x + 1, jnp.exp(-jnp.abs(x)))


def add(state, k, v):
    return state[0] + jnp.dot(phi(k).T, v, preferred_element_type=jnp.float32), state[1] + phi(k).sum(0)


def empty(k, v):
    return jnp.zeros((k.shape[-1], v.shape[-1]), jnp.float32), jnp.zeros((k.shape[-1],), jnp.float32)


def linear_attention(q, k, v):
    S, z = add(empty(k, v), k, v)
    return jnp.divide(phi(q) @ S, (phi(q) @ z)[:, jnp.newaxis]).astype(q.dtype)


def linear_attention_step(state, q, k, v):
    state = add(state, k[None], v[None])
    S, z = state
    return state, (phi(q) @ S / (phi(q) @ z)).astype(q.dtype)


def causal_linear_attention(q, k, v, chunk_size):
    def chunk(state, tokens):
        a, b, c = tokens
        weights = jnp.tril(phi(a) @ phi(b).T)
        top = phi(a) @ state[0] + weights @ c.astype(jnp.float32)
        bottom = phi(a) @ state[1] + jnp.sum(weights, axis=1)
        return add(state, b, c), (top / bottom[:, None]).astype(a.dtype)

    state, full = empty(k, v), len(q) // chunk_size
    parts = []
    if full:
        cut = [x[: full * chunk_size].reshape(full, chunk_size, x.shape[1]) for x in (q, k, v)]
        state, out = jax.lax.scan(chunk, state, cut)
        parts.append(out.reshape(full * chunk_size, v.shape[1]))
    if len(q) % chunk_size:
        parts.append(chunk(state, [x[full * chunk_size :] for x in (q, k, v)])[1])
    return jnp.concatenate(parts)
