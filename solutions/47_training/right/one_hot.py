"""Targets as one-hot rows; the loss of the whole step is one function of the parameters, whose loop is checkpointed and
differentiated."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx


def next_token_loss(logits, tokens, mask):
    targets = jax.nn.one_hot(jnp.roll(tokens, -1, axis=-1), logits.shape[-1])
    counts = jnp.roll(mask, -1, axis=-1).at[..., -1].set(False)
    said = jnp.einsum("...v,...v->...", targets, jax.nn.log_softmax(logits.astype(jnp.float32)))
    return -jnp.einsum("...,...->", said, counts) / jnp.clip(counts.sum(), min=1)


def make_optimizer(peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    def rate(step):
        rise = step / warmup_steps if warmup_steps else 1.0
        angle = jnp.pi * jnp.minimum(step - warmup_steps, total_steps - warmup_steps) / (total_steps - warmup_steps)
        return peak_rate * jnp.where(step < warmup_steps, rise, 0.55 + 0.45 * jnp.cos(angle))

    def kinds(params):
        return jax.tree.map(lambda p: "decays" if p.ndim >= 2 else "stays", params)

    adamw = {
        kind: optax.adamw(rate, b1=0.9, b2=0.95, weight_decay=decay)
        for kind, decay in (("decays", weight_decay), ("stays", 0.0))
    }
    return optax.chain(optax.clip_by_global_norm(max_norm), optax.multi_transform(adamw, kinds))


def train_step(model, optimizer, tokens, mask):
    graphdef, params = nnx.split(model, nnx.Param)
    weight = 1 / jnp.maximum(mask[..., 1:].sum(), 1)

    def loss_of(params):
        @jax.checkpoint
        def one(loss, micro_batch):
            tokens, mask = micro_batch
            mean = next_token_loss(nnx.merge(graphdef, params)(tokens), tokens, mask)
            return loss + mean * mask[..., 1:].sum() * weight, None

        return jax.lax.scan(one, jnp.zeros(()), (tokens, mask))[0]

    loss, gradient = jax.value_and_grad(loss_of)(params)
    optimizer.update(model, gradient)
    return loss
