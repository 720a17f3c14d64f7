"""47 · Models to train, and what trains them."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx


class Bigrams(nnx.Module):
    """A row of a table for each token: the logits of the next one."""

    def __init__(self, table):
        self.table = nnx.Param(table)

    def __call__(self, tokens):
        return self.table[...][tokens]


class HalfBigrams(Bigrams):
    """The same, whose logits are of half precision."""

    def __call__(self, tokens):
        return super().__call__(tokens).astype(jnp.bfloat16)


class Averages(nnx.Module):
    """The mean of all tokens so far, scaled, and projected with a bias: parameters of one and of two dimensions."""

    def __init__(self, embedding, scale, kernel, bias):
        self.embedding, self.scale = nnx.Param(embedding), nnx.Param(scale)
        self.kernel, self.bias = nnx.Param(kernel), nnx.Param(bias)

    def __call__(self, tokens):
        seen = jnp.cumsum(self.embedding[...][tokens], axis=-2)
        seen = seen / jnp.arange(1, tokens.shape[-1] + 1)[:, None]
        return (seen * self.scale[...]) @ self.kernel[...] + self.bias[...]


def slopes(names, logits, tokens, mask):
    """The loss and its gradient, step by step where nobody compiles it: a compiler may turn 0 times NaN into 0."""
    return jax.value_and_grad(names.next_token_loss)(logits, tokens, mask)


def momentum(rate):
    return optax.sgd(rate, momentum=0.9)


def adamw(rate):
    return optax.adamw(rate, eps=1e-2)  # a gradient near zero is not magnified to a step of full length


def updates(names, params, gradients, peak_rate, warmup_steps, total_steps, weight_decay, max_norm):
    """The parameters after each update; `gradients` has one more axis, in front, for the updates."""
    optimizer = names.make_optimizer(peak_rate, warmup_steps, total_steps, weight_decay, max_norm)

    def one(carry, gradient):
        params, state = carry
        change, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, change)
        return (params, state), params

    return jax.lax.scan(one, (params, optimizer.init(params)), gradients)[1]


def trained(names, make, params, tokens, mask, transformation, rate, compiled=False):
    """The losses of some updates, and what model and optimizer hold afterwards; `tokens` and `mask` have one more axis,
    in front, for the updates."""
    model = make(**params)
    optimizer = nnx.Optimizer(model, transformation(rate), wrt=nnx.Param)
    step = nnx.jit(names.train_step) if compiled else names.train_step
    losses = [step(model, optimizer, *micro_batches) for micro_batches in zip(tokens, mask)]
    return {
        "losses": losses,
        "model": nnx.to_pure_dict(nnx.state(model)),
        "optimizer": nnx.to_pure_dict(nnx.state(optimizer)),
    }


def measured(names, **arguments):
    """The losses alone: a gradient that passes through half precision is rounded there, before or after a division."""
    return {"losses": trained(names, **arguments)["losses"]}
