"""All leading dimensions become one batch, as in code for PyTorch; the softmax by hand, by the logarithm of its sum."""

import jax
import jax.numpy as jnp
from flax import nnx


class AdditiveAttention(nnx.Module):
    def __init__(self, d_query: int, d_key: int, d_attention: int, *, rngs: nnx.Rngs):
        self.query_proj = nnx.Linear(d_query, d_attention, use_bias=False, rngs=rngs)
        self.key_proj = nnx.Linear(d_key, d_attention, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(d_attention, 1, use_bias=False, rngs=rngs)

    def __call__(self, query, keys, mask=None):
        *lead, length, width = keys.shape
        hidden_state, encoder_outputs = query.reshape(-1, query.shape[-1]), keys.reshape(-1, length, width)
        energy = jnp.tanh(self.query_proj(hidden_state)[:, None, :] + self.key_proj(encoder_outputs))
        attention = jnp.squeeze(self.score(energy), axis=2).astype(jnp.float32)
        if mask is not None:
            mask = mask.reshape(-1, length)
            attention = jnp.where(mask, attention, -1e30)
        attention = jnp.exp(jax.nn.log_softmax(attention, axis=1))
        if mask is not None:
            attention = attention * mask.astype(jnp.float32)
        context = jax.lax.batch_matmul(attention[:, None, :].astype(keys.dtype), encoder_outputs)
        return context.reshape(*lead, width), attention.reshape(*lead, length)
