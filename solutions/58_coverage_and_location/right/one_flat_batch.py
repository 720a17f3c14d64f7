"""All leading dimensions become one batch, as in code for PyTorch; a large negative number, then a product with the mask;
lax.conv in its own layout; the loss as a sum of differences."""

import jax
import jax.numpy as jnp
from flax import nnx


def attend(module, query, keys, told, mask):
    batch, length, width = keys.shape
    energy = jnp.tanh(module.query_proj(query)[:, None, :] + module.key_proj(keys) + told)
    attention = jnp.squeeze(module.score(energy), axis=2).astype(jnp.float32)
    if mask is not None:
        attention = jnp.where(mask, attention, -1e30)
    attention = jnp.exp(jax.nn.log_softmax(attention, axis=1))
    if mask is not None:
        attention = attention * mask.astype(jnp.float32)
    context = jax.lax.batch_matmul(attention[:, None, :].astype(keys.dtype), keys)
    return context.reshape(batch, width), attention


def flat(query, keys, past, mask):
    length, width = keys.shape[-2:]
    mask = None if mask is None else mask.reshape(-1, length)
    return query.reshape(-1, query.shape[-1]), keys.reshape(-1, length, width), past.reshape(-1, length), mask


class CoverageAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.coverage_proj = nnx.Linear(1, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, coverage, mask=None):
        lead, (q, k, c, m) = keys.shape[:-2], flat(query, keys, coverage, mask)
        context, attention = attend(self, q, k, self.coverage_proj(c.reshape(-1, 1)).reshape(*c.shape, -1), m)
        attention = attention.reshape(coverage.shape)
        return context.reshape(*lead, -1), attention, jnp.stack([coverage, attention]).sum(0)


def coverage_loss(weights):
    weights = jnp.asarray(weights, jnp.float32)
    sums = jnp.concatenate([jnp.zeros((1, weights.shape[1])), jnp.cumsum(weights, axis=0)])[:-1]
    return jnp.mean(jnp.sum(weights - jax.nn.relu(weights - sums), axis=-1))


class LocationAttention(nnx.Module):
    def __init__(
        self, d_query: int, d_key: int, d_attention: int, num_filters: int, kernel_size: int, *, rngs: nnx.Rngs
    ):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.location_conv = nnx.Conv(1, num_filters, (kernel_size,), padding="SAME", use_bias=False, rngs=rngs)
        self.location_proj = nnx.Linear(num_filters, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, previous, mask=None):
        lead, (q, k, p, m) = keys.shape[:-2], flat(query, keys, previous, mask)
        kernel = jnp.transpose(self.location_conv.kernel[...], (2, 1, 0))
        features = jax.lax.conv(p[:, None, :].astype(kernel.dtype), kernel, (1,), "SAME")
        context, attention = attend(self, q, k, self.location_proj(jnp.swapaxes(features, 1, 2)), m)
        return context.reshape(*lead, -1), attention.reshape(previous.shape)
