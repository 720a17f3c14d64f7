"""Everything by einsum on the kernels; the convolution as a sum over shifted copies; a triangular matrix for what came
before."""

import jax
import jax.numpy as jnp
from flax import nnx


def attend(module, query, keys, told, mask):
    w, u, v = module.query_proj.kernel[...], module.key_proj.kernel[...], module.score.kernel[:, 0]
    hidden = jnp.tanh(jnp.einsum("...q,qa->...a", query, w)[..., None, :] + jnp.einsum("...tk,ka->...ta", keys, u) + told)
    alpha = jax.nn.softmax(jnp.einsum("...ta,a->...t", hidden, v).astype(jnp.float32), axis=-1, where=mask)
    return jnp.einsum("...t,...tk->...k", alpha.astype(keys.dtype), keys), alpha


class CoverageAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.coverage_proj = nnx.Linear(1, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, coverage, mask=None):
        told = jnp.einsum("...t,a->...ta", coverage.astype(keys.dtype), self.coverage_proj.kernel[0])
        context, alpha = attend(self, query, keys, told, mask)
        return context, alpha, alpha + coverage


def coverage_loss(weights):
    w = weights.astype(jnp.float32)
    steps = w.shape[0]
    coverage = jnp.tril(jnp.ones((steps, steps)), -1) @ w
    return jnp.where(w < coverage, w, coverage).sum() / steps


class LocationAttention(nnx.Module):
    def __init__(
        self, d_query: int, d_key: int, d_attention: int, num_filters: int, kernel_size: int, *, rngs: nnx.Rngs
    ):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.location_conv = nnx.Conv(1, num_filters, (kernel_size,), use_bias=False, rngs=rngs)
        self.location_proj = nnx.Linear(num_filters, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, previous, mask=None):
        kernel = self.location_conv.kernel[:, 0, :]
        size, length = kernel.shape[0], previous.shape[-1]
        padded = jnp.pad(previous, [(0, 0)] * (previous.ndim - 1) + [(size // 2, size // 2)])
        features = sum(padded[..., i : i + length, None] * kernel[i] for i in range(size))
        return attend(self, query, keys, features.astype(keys.dtype) @ self.location_proj.kernel[...], mask)
