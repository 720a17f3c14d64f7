"""74 · What people get wrong."""

from flax import nnx

from grader.course import mistake


@mistake
def loss_after_the_update(ref, model, optimizer, x, y):
    """The loss is the one after the update; asked for is the one whose gradient was taken."""
    ref(model, optimizer, x, y)
    return ((model(x) - y) ** 2).mean()


@mistake
def no_update(ref, model, optimizer, x, y):
    """The gradient is computed, and nothing is updated."""
    return ((model(x) - y) ** 2).mean()


@mistake
def sum_for_the_mean(ref, model, optimizer, x, y):
    """The loss is a sum over the rows: it has to be their mean."""
    loss, gradients = nnx.value_and_grad(lambda model: ((model(x) - y) ** 2).sum())(model)
    optimizer.update(model, gradients)
    return loss
