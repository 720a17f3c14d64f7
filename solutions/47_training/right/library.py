"""What optax and NNX have for it: weights in the mean, a ready schedule, `nnx.scan` over micro-batches."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx


def next_token_loss(logits, tokens, mask):
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(
        jnp.asarray(logits, jnp.float32)[..., :-1, :], tokens[..., 1:]
    )
    counts = mask[..., 1:]
    return jnp.where(counts.any(), jnp.vdot(losses, counts) / jnp.where(counts.any(), counts.sum(), 1), 0.0)


def make_optimizer(peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    rate = optax.schedules.warmup_cosine_decay_schedule(0.0, peak_rate, warmup_steps, total_steps, 0.1 * peak_rate)
    return optax.chain(
        optax.clip_by_global_norm(max_norm),
        optax.scale_by_adam(b1=0.9, b2=0.95, eps=1e-8),
        optax.masked(optax.add_decayed_weights(weight_decay), lambda params: jax.tree.map(lambda p: p.ndim > 1, params)),
        optax.scale_by_learning_rate(rate),
    )


def train_step(model, optimizer, tokens, mask):
    def total(model, tokens, mask):
        count = mask[..., 1:].sum()
        return next_token_loss(model(tokens), tokens, mask) * count, count

    def one(carry, model, tokens, mask):
        loss, count, gradient = carry
        (more, number), change = nnx.value_and_grad(total, has_aux=True)(model, tokens, mask)
        return loss + more, count + number, jax.tree.map(jnp.add, gradient, change)

    zeros = jax.tree.map(jnp.zeros_like, nnx.state(model, nnx.Param))
    scan = nnx.scan(one, in_axes=(nnx.Carry, nnx.StateAxes({...: None}), 0, 0), out_axes=nnx.Carry)
    loss, count, gradient = scan((jnp.float32(0), jnp.int32(0), zeros), model, tokens, mask)
    count = jnp.maximum(count, 1)
    optimizer.update(model, jax.tree.map(lambda g: g / count, gradient))
    return loss / count
