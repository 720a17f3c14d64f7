"""The layers as they are, -inf and nan_to_num for the mask, a mixin for what both share; lax.scan over the steps."""

import jax
import jax.numpy as jnp
from flax import nnx


class Attends(nnx.Module):
    def attend(self, query, keys, extra, mask):
        energy = self.score(jnp.tanh(self.query_proj(query)[..., None, :] + self.key_proj(keys) + extra)).squeeze(-1)
        energy = energy.astype(jnp.float32)
        if mask is not None:
            energy = jnp.where(mask, energy, -jnp.inf)
        weights = jnp.nan_to_num(jax.nn.softmax(energy, axis=-1))
        return (weights[..., None] * keys).sum(axis=-2).astype(keys.dtype), weights


class CoverageAttention(Attends):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        for name, d_in, d_out in (
            ("query_proj", d_query, d_attention),
            ("key_proj", d_key, d_attention),
            ("coverage_proj", 1, d_attention),
            ("score", d_attention, 1),
        ):
            setattr(self, name, nnx.Linear(d_in, d_out, use_bias=False, rngs=rngs))

    def __call__(self, query, keys, coverage, mask=None):
        context, weights = self.attend(query, keys, self.coverage_proj(jnp.expand_dims(coverage, -1)), mask)
        return context, weights, coverage + weights


def coverage_loss(weights):
    def step(carry, row):
        coverage, loss = carry
        return (coverage + row, loss + jnp.minimum(coverage, row).sum()), None

    weights = weights.astype(jnp.float32)
    (_, loss), _ = jax.lax.scan(step, (jnp.zeros(weights.shape[1]), jnp.float32(0)), weights)
    return loss / weights.shape[0]


class LocationAttention(Attends):
    def __init__(
        self, d_query: int, d_key: int, d_attention: int, num_filters: int, kernel_size: int, *, rngs: nnx.Rngs
    ):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)
        self.location_conv = nnx.Conv(1, num_filters, kernel_size, padding=kernel_size // 2, use_bias=False, rngs=rngs)
        self.location_proj = nnx.Linear(num_filters, d_attention, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, previous, mask=None):
        location = self.location_proj(self.location_conv(previous.astype(keys.dtype)[..., None]))
        return self.attend(query, keys, location, mask)
