"""One head written for one pair of sequences; vmap adds the heads, and jnp.vectorize the batch dimensions. Log-sum-exp instead of a softmax."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.special import logsumexp


def one_head(q, k, v, visible):
    scores = jnp.where(visible, q @ k.T / q.shape[-1] ** 0.5, 0.0)
    # `where` and `b` leave masked scores out; in a row without any, the guard keeps the logarithm away from 0.
    total = logsumexp(scores, axis=-1, keepdims=True, b=jnp.where(visible.any(), visible, True).astype(q.dtype))
    return jnp.where(visible, jnp.exp(jnp.where(visible, scores, total) - total), 0.0) @ v


class CrossAttention(nnx.Module):
    def __init__(self, d_model: int, d_context: int, num_heads: int, *, rngs: nnx.Rngs):
        linear = functools.partial(nnx.Linear, out_features=d_model, use_bias=False, rngs=rngs)
        self.q_proj, self.o_proj = linear(d_model), linear(d_model)
        self.k_proj, self.v_proj = linear(d_context), linear(d_context)
        self.num_heads = num_heads

    def __call__(self, x, context, context_mask=None):
        visible = jnp.full(context.shape[:-1], True) if context_mask is None else context_mask
        attend = jnp.vectorize(self._one_pair, signature="(t,d),(s,d),(s,d),(s)->(t,d)")
        return self.o_proj(attend(self.q_proj(x), self.k_proj(context), self.v_proj(context), visible))

    def _one_pair(self, q, k, v, visible):
        heads = (p.reshape(p.shape[0], self.num_heads, -1) for p in (q, k, v))
        return jax.vmap(one_head, in_axes=(1, 1, 1, None), out_axes=1)(*heads, visible).reshape(q.shape)
