"""The gradient with respect to the parameters as a tree."""

import jax
from flax import nnx


def train_step(model, optimizer, x, y):
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)

    def loss_of(params):
        return ((nnx.merge(graphdef, params, rest)(x) - y) ** 2).mean()

    loss, gradients = jax.value_and_grad(loss_of)(params)
    optimizer.update(model, gradients)
    return loss
