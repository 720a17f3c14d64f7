"""One product for query, key and past side by side; jnp.convolve with turned kernels, projected filter by filter; a
backward pass of its own for the loss."""

import jax
import jax.numpy as jnp
from flax import nnx


def layers(module, d_query, d_key, d_attention, rngs):
    module.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
    module.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
    module.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)


def attend(module, query, keys, past, kernel, mask):
    beside = jnp.broadcast_to(query[..., None, :], (*keys.shape[:-1], query.shape[-1]))
    kernels = jnp.concatenate([module.query_proj.kernel[...], module.key_proj.kernel[...], kernel])
    scores = (jnp.tanh(jnp.concatenate([beside, keys, past], axis=-1) @ kernels) @ module.score.kernel[...])[..., 0]
    scores = scores.astype(jnp.float32)
    if mask is None:
        weights = nnx.softmax(scores)
    else:
        # a row without any key is made harmless first, and emptied afterwards
        some = mask.any(-1, keepdims=True)
        weights = jnp.where(mask, nnx.softmax(jnp.where(mask, scores, jnp.where(some, -jnp.inf, 0.0))), 0.0)
    return (weights[..., None, :].astype(keys.dtype) @ keys)[..., 0, :], weights


class CoverageAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        layers(self, d_query, d_key, d_attention, rngs)
        self.coverage_proj = nnx.Linear(1, d_attention, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, coverage, mask=None):
        past = coverage[..., None].astype(keys.dtype)
        context, weights = attend(self, query, keys, past, self.coverage_proj.kernel[...], mask)
        return context, weights, weights + coverage


@jax.custom_vjp
def _loss(weights):
    before = jnp.cumsum(weights, axis=0) - weights
    return jnp.minimum(weights, before).sum() / len(weights)


def _forward(weights):
    return _loss(weights), weights


def _backward(weights, slope):
    before = jnp.cumsum(weights, axis=0) - weights
    own = (weights < before).astype(weights.dtype)
    later = (before < weights).astype(weights.dtype)
    of_earlier_ones = jnp.cumsum(later[::-1], axis=0)[::-1] - later
    return (slope * (own + of_earlier_ones) / len(weights),)


_loss.defvjp(_forward, _backward)


def coverage_loss(weights):
    return _loss(weights.astype(jnp.float32))


class LocationAttention(nnx.Module):
    def __init__(
        self, d_query: int, d_key: int, d_attention: int, num_filters: int, kernel_size: int, *, rngs: nnx.Rngs
    ):
        layers(self, d_query, d_key, d_attention, rngs)
        self.location_conv = nnx.Conv(1, num_filters, (kernel_size,), use_bias=False, rngs=rngs)
        self.location_proj = nnx.Linear(num_filters, d_attention, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, previous, mask=None):
        kernels = self.location_conv.kernel[:, 0, :].T
        reach, length = kernels.shape[1] // 2, previous.shape[-1]

        def filtered(row):
            full = [jnp.convolve(row, kernel[::-1], mode="full") for kernel in kernels.astype(jnp.float32)]
            return jnp.stack(full, axis=-1)[reach : reach + length]

        past = jnp.vectorize(filtered, signature="(t)->(t,f)")(previous).astype(keys.dtype)
        return attend(self, query, keys, past, self.location_proj.kernel[...], mask)
