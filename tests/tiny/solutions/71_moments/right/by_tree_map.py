"""All names at once, and a tuple with the names of a state in its place."""

import jax


def momentum(state, gradients, settings, names):
    mean = jax.tree.map(lambda old, new: settings.rate * old + new, state.mean, gradients)
    step = jax.tree.map(lambda old, new: settings.rate * old + new, mean, gradients) if settings.nesterov else mean
    return type(state)(count=1 + state.count, mean=dict(reversed(mean.items()))), [step[name] for name in names]
