"""75 · A linear map, then dropout."""

from flax import nnx


class Dropped(nnx.Module):
    def __init__(self, width, rate, *, rngs):
        self.linear = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.dropout = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.linear(x))
