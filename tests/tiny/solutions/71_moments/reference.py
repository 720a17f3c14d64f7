"""71 · The state with one more count and the new mean; the step, in the order of the names."""


def momentum(state, gradients, settings, names):
    mean = {name: settings.rate * state.mean[name] + gradients[name] for name in names}
    ahead = {name: settings.rate * mean[name] + gradients[name] for name in names} if settings.nesterov else mean
    return state._replace(count=state.count + 1, mean=mean), [ahead[name] for name in names]
