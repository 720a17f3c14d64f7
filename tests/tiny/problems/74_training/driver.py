"""74 · A linear model, and three updates of it."""

import optax
from flax import nnx


class Linear(nnx.Module):
    def __init__(self, kernel):
        self.kernel = nnx.Param(kernel)

    def __call__(self, x):
        return x @ self.kernel[...]


def three_updates(names, kernel, x, y, rate):
    """The losses, and what model and optimizer hold in the end."""
    model = Linear(kernel)
    optimizer = nnx.Optimizer(model, optax.adam(rate), wrt=nnx.Param)
    losses = [names.train_step(model, optimizer, x, y) for _ in range(3)]
    return losses, nnx.to_pure_dict(nnx.state(model)), nnx.to_pure_dict(nnx.state(optimizer))
