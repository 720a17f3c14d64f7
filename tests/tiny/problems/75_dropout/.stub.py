from flax import nnx


class Dropped(nnx.Module):
    def __init__(self, width, rate, *, rngs):
        raise NotImplementedError

    def __call__(self, x):
        raise NotImplementedError
