"""One query against one key, as functions of their own, mapped over the keys and by jnp.vectorize over the batch; Python
loops over steps; a matrix of the kernel's entries for the convolution."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class OneByOne(nnx.Module):
    def energy(self, query, key, told):
        hidden = jnp.tanh(self.query_proj(query) + self.key_proj(key) + told)
        return jnp.dot(hidden, self.score.kernel[...].ravel())

    def sequence(self, query, keys, past, visible):
        scores = jax.vmap(self.energy, in_axes=(None, 0, 0))(query, keys, self.told(past)).astype(jnp.float32)
        scores = jnp.where(visible, scores, -1e30)
        powers = jnp.where(visible, jnp.exp(scores - scores.max()), 0.0)
        total = powers.sum()
        weights = powers / jnp.where(total == 0, 1.0, total)
        return (weights @ keys.astype(jnp.float32)).astype(keys.dtype), weights

    def attend(self, query, keys, past, mask):
        mask = jnp.ones(keys.shape[:-1], bool) if mask is None else mask
        return jnp.vectorize(self.sequence, signature="(q),(t,k),(t),(t)->(k),(t)")(query, keys, past, mask)


class CoverageAttention(OneByOne):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.coverage_proj = nnx.Linear(1, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def told(self, coverage):
        return jax.vmap(lambda one: self.coverage_proj(one[None]))(coverage)

    def __call__(self, query, keys, coverage, mask=None):
        context, weights = self.attend(query, keys, coverage, mask)
        return context, weights, coverage + weights


def coverage_loss(weights):
    coverage, losses = jnp.zeros(weights.shape[1], jnp.float32), []
    for row in weights.astype(jnp.float32):
        losses.append(jnp.sum(jnp.minimum(row, coverage)))
        coverage = coverage + row
    return jnp.mean(jnp.stack(losses))


class LocationAttention(OneByOne):
    def __init__(
        self, d_query: int, d_key: int, d_attention: int, num_filters: int, kernel_size: int, *, rngs: nnx.Rngs
    ):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.location_conv = nnx.Conv(1, num_filters, (kernel_size,), padding="SAME", use_bias=False, rngs=rngs)
        self.location_proj = nnx.Linear(num_filters, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def told(self, previous):
        kernel = self.location_conv.kernel[:, 0]
        places = np.arange(len(previous))
        taps = places[None, :] - places[:, None] + len(kernel) // 2
        inside = (taps >= 0) & (taps < len(kernel))
        matrix = jnp.where(inside[..., None], kernel[taps.clip(0, len(kernel) - 1)], 0)
        return self.location_proj(jnp.einsum("tsf,s->tf", matrix, previous))

    def __call__(self, query, keys, previous, mask=None):
        return self.attend(query, keys, previous, mask)
