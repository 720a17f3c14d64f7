"""The definitions written out: log-softmax by a maximum, AdamW by its formulas, a loop by `fori_loop`."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx


def next_token_loss(logits, tokens, mask):
    z = logits[..., :-1, :].astype(jnp.float32)
    z = z - jax.lax.stop_gradient(z.max(-1, keepdims=True))
    said = jnp.take_along_axis(z, tokens[..., 1:, None], axis=-1)[..., 0] - jnp.log(jnp.exp(z).sum(-1))
    counts = mask[..., 1:].astype(jnp.float32)
    return -(said * counts).sum() / jnp.maximum(counts.sum(), 1.0)


def make_optimizer(peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    def rate(step):
        rising = peak_rate * step / max(warmup_steps, 1)
        share = jnp.clip((step - warmup_steps) / (total_steps - warmup_steps), 0.0, 1.0)
        falling = peak_rate * (0.1 + 0.9 * 0.5 * (1 + jnp.cos(jnp.pi * share)))
        return jnp.where(step < warmup_steps, rising, falling)

    def init(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return jnp.zeros((), jnp.int32), zeros, zeros

    def update(gradients, state, params):
        step, first, second = state
        norm = jnp.sqrt(sum((g**2).sum() for g in jax.tree.leaves(gradients)))
        factor = jnp.where(norm > max_norm, max_norm / jnp.where(norm > 0, norm, 1.0), 1.0)
        gradients = jax.tree.map(lambda g: g * factor, gradients)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda s, g: 0.95 * s + 0.05 * g * g, second, gradients)

        def change(p, m, s):
            adam = (m / (1 - 0.9 ** (step + 1))) / (jnp.sqrt(s / (1 - 0.95 ** (step + 1))) + 1e-8)
            return -rate(step) * (adam + (weight_decay * p if p.ndim >= 2 else 0.0))

        return jax.tree.map(change, params, first, second), (step + 1, first, second)

    return optax.GradientTransformation(init, update)


def train_step(model, optimizer, tokens, mask):
    graphdef, params = nnx.split(model)
    count = jnp.maximum(mask[:, :, 1:].sum(), 1)

    def share(params, tokens, mask):
        return next_token_loss(nnx.merge(graphdef, params)(tokens), tokens, mask) * mask[:, 1:].sum() / count

    def one(number, carry):
        loss, gradient = carry
        more, change = jax.value_and_grad(share)(params, tokens[number], mask[number])
        return loss + more, jax.tree.map(jnp.add, gradient, change)

    loss, gradient = jax.lax.fori_loop(
        0, tokens.shape[0], one, (jnp.float32(0), jax.tree.map(jnp.zeros_like, params))
    )
    optimizer.update(model, gradient)
    return loss
