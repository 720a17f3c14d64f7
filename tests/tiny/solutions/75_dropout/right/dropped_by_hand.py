"""Dropout's own attribute says whether it draws."""

from flax import nnx


class Dropped(nnx.Module):
    def __init__(self, width, rate, *, rngs):
        self.dropout = nnx.Dropout(rate=rate, rngs=rngs)
        self.linear = nnx.Linear(width, width, rngs=rngs, use_bias=False)

    def __call__(self, x):
        hidden = self.linear(x)
        return hidden if self.dropout.deterministic else self.dropout(hidden)
