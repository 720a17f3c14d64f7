"""35 · The reference: Vaswani et al. 2017, section 3.2.3. One method for each step, so that a mistake can change one of them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class CrossAttention(nnx.Module):
    def __init__(self, d_model, d_context, num_heads, *, rngs):
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        self.make(d_model, d_context, rngs)

    def make(self, d_model, d_context, rngs):
        self.q_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)
        self.k_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.v_proj = nnx.Linear(d_context, d_model, use_bias=False, rngs=rngs)
        self.o_proj = nnx.Linear(d_model, d_model, use_bias=False, rngs=rngs)

    def __call__(self, x, context, context_mask=None):
        q, k, v = self.project(x, context)
        visible = None if context_mask is None else context_mask[..., None, None, :]
        return self.o_proj(self.join(self.attend(self.split(q), self.split(k), self.split(v), visible)))

    def project(self, x, context):
        return self.q_proj(x), self.k_proj(context), self.v_proj(context)

    def split(self, x):
        """(..., T, d_model) -> (..., N, T, H)"""
        return x.reshape(*x.shape[:-1], self.num_heads, self.head_dim).swapaxes(-3, -2)

    def attend(self, q, k, v, visible):
        return self.weights(self.scores(q, k), visible) @ v

    def scores(self, q, k):
        return q @ k.swapaxes(-1, -2) / self.head_dim ** 0.5

    def weights(self, scores, visible):
        """The softmax over the visible keys. Where there are none the weights are zeros, and so are the gradients."""
        return jax.nn.softmax(scores, axis=-1, where=visible)

    def join(self, heads):
        """(..., N, T, H) -> (..., T, d_model)"""
        together = jnp.swapaxes(heads, -3, -2)
        return together.reshape(*together.shape[:-2], self.num_heads * self.head_dim)


def error_scale(init, params, x, context, context_mask=None):
    """How large the intermediate values are: (1 + max |score|) max |v| over the heads, masked ones included."""
    def heads(name, tokens):
        projected = tokens @ params[f"{name}.kernel"]
        return np.swapaxes(projected.reshape(*tokens.shape[:-1], init["num_heads"], -1), -3, -2)

    q, k, v = heads("q_proj", x), heads("k_proj", context), heads("v_proj", context)
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return (1 + np.abs(scores).max()) * np.abs(v).max()
