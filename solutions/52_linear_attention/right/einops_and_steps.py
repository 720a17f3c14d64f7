"""einops for every change of shape. Inside a chunk there is no triangle of scores but a cumulative sum of its own
states, one for each of its tokens, which is as large as the chunk and no larger."""

import jax
import jax.numpy as jnp
from einops import einsum, rearrange, repeat


def phi(x):
    return jax.nn.elu(x.astype("float32")) + 1.0


def linear_attention(q, k, v):
    S = einsum(phi(k), v.astype("float32"), "t k, t v -> k v")
    z = repeat(phi(k).sum(axis=0), "k -> k v", v=v.shape[1])
    return (einsum(phi(q), S, "t k, k v -> t v") / einsum(phi(q), z, "t k, k v -> t v")).astype(q.dtype)


def linear_attention_step(state, q, k, v):
    S = state[0] + rearrange(phi(k), "k -> k 1") * rearrange(v, "v -> 1 v")
    z = state[1] + phi(k)
    output = einsum(phi(q), S, "k, k v -> v") / einsum(phi(q), z, "k, k ->")
    return (S, z), output.astype(q.dtype)


def causal_linear_attention(q, k, v, chunk_size):
    length, size = len(q), min(chunk_size, len(q))

    def cut(x):
        return rearrange(jnp.pad(x, ((0, -length % size), (0, 0))), "(n c) d -> n c d", c=size)

    def turn(carry, chunk):
        a, b, c = (x.astype("float32") for x in chunk)
        S = carry[0] + jnp.cumsum(einsum(phi(b), c, "c k, c v -> c k v"), axis=0)
        z = carry[1] + jnp.cumsum(phi(b), axis=0)
        output = einsum(phi(a), S, "c k, c k v -> c v") / einsum(phi(a), z, "c k, c k -> c")[:, None]
        return (S[-1], z[-1]), output.astype(q.dtype)

    zeros = jnp.zeros((q.shape[1], v.shape[1])), jnp.zeros(q.shape[1])
    output = jax.lax.scan(turn, zeros, (cut(q), cut(k), cut(v)))[1]
    return rearrange(output, "n c v -> (n c) v")[:length]
