def momentum(state, gradients, settings, names):
    raise NotImplementedError
