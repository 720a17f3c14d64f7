"""Flattened sequences; decay by hand before the rate; gradients added by `jax.tree` with the count in the carry."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx


def next_token_loss(logits, tokens, mask):
    vocab_size = logits.shape[-1]
    z = logits[..., :-1, :].reshape(-1, vocab_size).astype(jnp.float32)
    targets, counts = tokens[..., 1:].reshape(-1), mask[..., 1:].reshape(-1)
    losses = jax.nn.logsumexp(z, axis=1) - z[jnp.arange(len(z)), targets]
    count = counts.sum(dtype=jnp.float32)
    return jax.lax.select(counts, losses, jnp.zeros_like(losses)).sum() / (count + (count == 0))


def make_optimizer(peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    fall = optax.cosine_decay_schedule(0.9 * peak_rate, total_steps - warmup_steps)

    def rate(step):
        after = 0.1 * peak_rate + fall(jnp.maximum(step - warmup_steps, 0))
        return jnp.where(step < warmup_steps, step * (peak_rate / max(warmup_steps, 1)), after)

    def decay(updates, params):
        return jax.tree.map(lambda u, p: u + weight_decay * p * (jnp.ndim(p) >= 2), updates, params)

    return optax.chain(
        optax.clip_by_global_norm(max_norm),
        optax.scale_by_adam(0.9, 0.95, 1e-8),
        optax.stateless(decay),
        optax.scale_by_schedule(lambda step: -rate(step)),
    )


def train_step(model, optimizer, tokens, mask):
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)

    @jax.grad
    def gradient_of(carried, tokens, mask):
        params, loss = carried
        count = mask[..., 1:].sum().astype(jnp.float32)
        return count * next_token_loss(nnx.merge(graphdef, params, rest)(tokens), tokens, mask) * loss

    def one(carry, micro_batch):
        # the slope along a factor of 1 is the loss itself
        return jax.tree.map(jnp.add, carry, gradient_of((params, jnp.float32(1)), *micro_batch)), None

    zeros = jax.tree.map(jnp.zeros_like, (params, jnp.float32(1)))
    (gradient, loss), _ = jax.lax.scan(one, zeros, (tokens, mask))
    count = jnp.maximum(jnp.sum(mask[..., 1:]), 1).astype(jnp.float32)
    optimizer.update(model, jax.tree.map(lambda g: g / count, gradient))
    return loss / count
